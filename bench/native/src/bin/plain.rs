//! The same work as the addon's in plain Rust: rmcp's client over one HTTP client, without Node.
//!
//! `plain URL reinit COUNT` connects, lists the tools and ends the session, COUNT times one after another;
//! `plain URL call COUNT` calls a tool over one session. Either writes `{ "cpuMs", "wallMs" }` per call to stdout.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ServiceExt, object};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Calls before the clock runs.
const WARM_UP: u32 = 50;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Client = RunningService<RoleClient, ClientConfig>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("plain URL reinit|call COUNT");
    let (url, work, count) = (argument()?, argument()?, argument()?.parse()?);
    let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let (cpu, wall) = match work.as_str() {
        "reinit" => {
            reinits(&http, &url, WARM_UP).await?;
            let started = (cpu_time(), Instant::now());
            reinits(&http, &url, count).await?;
            since(started)
        }
        "call" => {
            let client = connect(&http, &url).await?;
            calls(&client, WARM_UP).await?;
            let started = (cpu_time(), Instant::now());
            calls(&client, count).await?;
            since(started)
        }
        other => return Err(format!("no such work: {other}").into()),
    };
    let per_call = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(count);
    println!(
        "{}",
        json!({ "cpuMs": per_call(cpu), "wallMs": per_call(wall) })
    );
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

async fn reinits(http: &reqwest::Client, url: &str, count: u32) -> Outcome<()> {
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

async fn calls(client: &Client, count: u32) -> Outcome<()> {
    for index in 0..count {
        let text = format!("call {index}");
        let call = CallToolRequestParams::new("tool_0").with_arguments(object!({ "text": text }));
        client.call_tool(call).await?;
    }
    Ok(())
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn since((cpu, wall): (Duration, Instant)) -> (Duration, Duration) {
    (cpu_time() - cpu, wall.elapsed())
}
