//! The same work as the addon's in plain Rust: rmcp's client over one HTTP client, without Node.
//!
//! `plain URL reinit COUNT` connects, lists the tools and ends the session, COUNT times one after another;
//! `plain URL call COUNT` calls a tool over one session. Either writes `{ "cpuMs", "wallMs" }` per call to stdout.

use std::collections::HashMap;

use librechat_mcp_native_bench::{Outcome, Span};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ServiceExt, object};

/// Calls before the clock runs.
const WARM_UP: usize = 50;

type Client = RunningService<RoleClient, ClientConfig>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("plain URL reinit|call COUNT");
    let (url, work, count) = (argument()?, argument()?, argument()?.parse()?);
    let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let spent = match work.as_str() {
        "reinit" => {
            reinits(&http, &url, WARM_UP).await?;
            let span = Span::start();
            reinits(&http, &url, count).await?;
            span.end()
        }
        "call" => {
            let client = connect(&http, &url).await?;
            calls(&client, WARM_UP).await?;
            let span = Span::start();
            calls(&client, count).await?;
            span.end()
        }
        other => return Err(format!("no such work: {other}").into()),
    };
    println!("{}", spent.per_call(count));
    Ok(())
}

async fn connect(http: &reqwest::Client, url: &str) -> Outcome<Client> {
    // The headers that the other clients send.
    let headers = [
        (AUTHORIZATION, "Bearer token-of-the-user"),
        (HeaderName::from_static("x-user-id"), "user-1"),
    ];
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    config.custom_headers =
        HashMap::from(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let transport = StreamableHttpClientTransport::with_client(http.clone(), config);
    let client = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("plain", "1.0.0"),
    );
    Ok(client.serve(transport).await?)
}

async fn reinits(http: &reqwest::Client, url: &str, count: usize) -> Outcome<()> {
    for _ in 0..count {
        let client = connect(http, url).await?;
        let tools = client.list_all_tools().await?;
        if tools.is_empty() {
            return Err("no tools".into());
        }
        client.cancel().await?;
    }
    Ok(())
}

async fn calls(client: &Client, count: usize) -> Outcome<()> {
    for index in 0..count {
        let text = format!("call {index}");
        let call = CallToolRequestParams::new("tool_0").with_arguments(object!({ "text": text }));
        client.call_tool(call).await?;
    }
    Ok(())
}
