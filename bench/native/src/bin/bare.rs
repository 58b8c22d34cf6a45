//! What the wire alone costs: one HTTP client on one thread sends the same POSTs with the same headers as the addon and
//! reads the same answers, nothing else.
//!
//! `bare URL reinit COUNT` sends what connects, lists the tools and ends the session, COUNT times one after another;
//! `bare URL call COUNT USERS` sends COUNT tool calls over USERS sessions side by side. Either writes
//! `{ "cpuMs", "wallMs" }` per call to stdout.

use std::sync::Arc;

use librechat_mcp_native_bench::{Outcome, Span};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use reqwest::{Client, Response};
use tokio::task::JoinSet;

/// Calls before the clock runs.
const WARM_UP: usize = 50;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const VERSION: &str = "2025-11-25";

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}},"sampling":{}},"clientInfo":{"name":"bare","version":"1.0.0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// One user's session at the server.
struct Session {
    http: Client,
    url: String,
    headers: HeaderMap,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("bare URL reinit|call COUNT [USERS]");
    let (url, work, mut count): (_, _, usize) = (argument()?, argument()?, argument()?.parse()?);
    let http = Client::builder().tcp_nodelay(true).build()?;
    let spent = match work.as_str() {
        "reinit" => {
            reinits(&http, &url, WARM_UP).await?;
            let span = Span::start();
            reinits(&http, &url, count).await?;
            span.end()
        }
        "call" => {
            let users = argument()?.parse()?;
            let mut sessions = Vec::new();
            for _ in 0..users {
                sessions.push(Arc::new(Session::open(&http, &url).await?));
            }
            calls(&sessions, WARM_UP.div_ceil(users)).await?;
            let each = count.div_ceil(users);
            let span = Span::start();
            calls(&sessions, each).await?;
            count = each * users;
            span.end()
        }
        other => return Err(format!("no such work: {other}").into()),
    };
    println!("{}", spent.per_call(count));
    Ok(())
}

impl Session {
    async fn open(http: &Client, url: &str) -> Outcome<Self> {
        let mut session = Self {
            http: http.clone(),
            url: url.to_owned(),
            headers: HeaderMap::from_iter([
                (
                    ACCEPT,
                    HeaderValue::from_static("application/json, text/event-stream"),
                ),
                (
                    ACCEPT_ENCODING,
                    HeaderValue::from_static("gzip, br, zstd, deflate"),
                ),
                (
                    AUTHORIZATION,
                    HeaderValue::from_static("Bearer token-of-the-user"),
                ),
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static("bare/1.0.0")),
                (
                    USER_ID,
                    HeaderValue::from_static("000000000000000000000001"),
                ),
            ]),
        };
        let response = session.post(INITIALIZE.to_owned()).await?;
        let id = response.headers().get(SESSION_ID).ok_or("no session")?;
        let id = id.clone();
        response.bytes().await?;
        session.headers.insert(SESSION_ID, id);
        let version = HeaderValue::from_static(VERSION);
        session.headers.insert(PROTOCOL_VERSION, version);
        session.post(INITIALIZED.to_owned()).await?.bytes().await?;
        Ok(session)
    }

    async fn post(&self, body: String) -> Outcome<Response> {
        let request = self.http.post(&self.url).headers(self.headers.clone());
        Ok(request.body(body).send().await?.error_for_status()?)
    }

    async fn end(&self) -> Outcome<()> {
        let request = self.http.delete(&self.url).headers(self.headers.clone());
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }
}

async fn reinits(http: &Client, url: &str, count: usize) -> Outcome<()> {
    for _ in 0..count {
        let session = Session::open(http, url).await?;
        session.post(LIST.to_owned()).await?.bytes().await?;
        session.end().await?;
    }
    Ok(())
}

/// So many calls of each.
async fn calls(sessions: &[Arc<Session>], count: usize) -> Outcome<()> {
    let mut callers = JoinSet::new();
    for session in sessions {
        let session = Arc::clone(session);
        callers.spawn(async move {
            for id in 0..count {
                let call = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"tool_0","arguments":{{"text":"000000000000000000000001 {id}"}},"_meta":{{"progressToken":{id}}}}}}}"#
                );
                session.post(call).await?.bytes().await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(called) = callers.join_next().await {
        called??;
    }
    Ok(())
}
