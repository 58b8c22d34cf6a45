//! The MCP server that everything is measured against: Streamable HTTP at `/mcp`, and a token endpoint.
//!
//! `/mcp?tools=30&depth=1&answer=json&stream=no&coding=gzip`: how many tools, how deep their schemas, answers as `json`
//! or `sse`, whether a GET stream is to be had, and whether JSON is compressed. A tool answers its argument `text`, or
//! as many `bytes`, after `delay` milliseconds. `/token?delay=50` exchanges any token after that many milliseconds.
//! `/stats` tells how many sessions are open and how many tokens were asked for.
//!
//! Writes the port it listens on to stdout, and ends when stdin does.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::http::response::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SESSION_ID: &str = "mcp-session-id";
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

type Answer = Response<BoxBody<Bytes, Infallible>>;

#[derive(Default)]
struct Server {
    sessions: Mutex<HashSet<String>>,
    lists: Mutex<HashMap<(usize, usize), Arc<str>>>,
    last_session: AtomicU64,
    tokens: AtomicU64,
}

/// What a URL asks for.
struct Wanted {
    tools: usize,
    depth: usize,
    events: bool,
    stream: bool,
    gzip: bool,
}

impl Wanted {
    fn of(query: &str) -> Self {
        Self {
            tools: number(query, "tools").unwrap_or(30),
            depth: number(query, "depth").unwrap_or(1),
            events: value(query, "answer") == Some("sse"),
            stream: value(query, "stream") == Some("yes"),
            gzip: value(query, "coding") == Some("gzip"),
        }
    }
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn number(query: &str, name: &str) -> Option<usize> {
    value(query, name)?.parse().ok()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let server = Arc::new(Server::default());
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // There is no file for it until others end.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        socket.set_nodelay(true)?;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/mcp" => self.mcp(request).await,
            "/token" => self.token(request).await,
            "/stats" => json_answer(
                Response::builder(),
                &json!({
                    "sessions": lock(&self.sessions).len(),
                    "tokens": self.tokens.load(Ordering::Relaxed),
                }),
            ),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn mcp(&self, request: Request<Incoming>) -> Answer {
        let wanted = Wanted::of(request.uri().query().unwrap_or_default());
        let session = request.headers().get(SESSION_ID);
        let session = session.and_then(|id| id.to_str().ok()).map(str::to_owned);
        if let Some(session) = &session
            && !lock(&self.sessions).contains(session)
        {
            return empty(StatusCode::NOT_FOUND);
        }
        match (request.method().clone(), session) {
            (Method::POST, _) => {}
            (Method::GET, Some(_)) if wanted.stream => return silence(),
            (Method::DELETE, Some(session)) => {
                lock(&self.sessions).remove(&session);
                return empty(StatusCode::OK);
            }
            _ => return empty(StatusCode::METHOD_NOT_ALLOWED),
        }
        let Ok(body) = request.into_body().collect().await else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let Ok(message) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let Some(id) = message.get("id") else {
            return empty(StatusCode::ACCEPTED);
        };
        let mut builder = Response::builder();
        let params = &message["params"];
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => {
                let session = format!("{:032x}", self.last_session.fetch_add(1, Ordering::Relaxed));
                builder = builder.header(SESSION_ID, &session);
                lock(&self.sessions).insert(session);
                Ok(json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "bench", "version": "1.0.0" },
                })
                .to_string())
            }
            "ping" => Ok("{}".to_owned()),
            "tools/list" => Ok(self.list(wanted.tools, wanted.depth).to_string()),
            "tools/call" => {
                if let Some(delay) = params["arguments"]["delay"].as_u64() {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                }
                Ok(call(params).to_string())
            }
            _ => Err(json!({ "code": -32601, "message": "Method not found" }).to_string()),
        };
        let text = match result {
            Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
            Err(error) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
        };
        if wanted.events {
            event_stream(
                builder,
                Full::from(format!("event: message\ndata: {text}\n\n")),
            )
        } else if wanted.gzip {
            compressed_answer(builder, &text)
        } else {
            text_answer(builder, text)
        }
    }

    fn list(&self, tools: usize, depth: usize) -> Arc<str> {
        let mut lists = lock(&self.lists);
        let list = lists.entry((tools, depth));
        Arc::clone(list.or_insert_with(|| list_of(tools, depth).into()))
    }

    async fn token(&self, request: Request<Incoming>) -> Answer {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        let delay = number(request.uri().query().unwrap_or_default(), "delay").unwrap_or_default();
        let _ = request.into_body().collect().await;
        tokio::time::sleep(Duration::from_millis(delay as u64)).await;
        json_answer(
            Response::builder(),
            &json!({ "access_token": format!("exchanged-{count}"), "token_type": "Bearer", "expires_in": 3600 }),
        )
    }
}

fn call(params: &Value) -> Box<RawValue> {
    let arguments = &params["arguments"];
    let text = match arguments["bytes"].as_u64() {
        Some(bytes) => text_of(usize::try_from(bytes).unwrap_or_default()),
        None => arguments["text"].as_str().unwrap_or_default().to_owned(),
    };
    raw(&json!({ "content": [{ "type": "text", "text": text }] }))
}

/// Text as tools answer it: lines of words, some of them in quotes, that compress to a fifth.
fn text_of(bytes: usize) -> String {
    const WORDS: [&str; 16] = [
        "answer ",
        "the ",
        "server ",
        "of ",
        "\"name\" ",
        "user ",
        "result ",
        "to ",
        "found ",
        "page ",
        "document.\n",
        "a ",
        "with ",
        "42 ",
        "title ",
        "last ",
    ];
    let mut text = String::with_capacity(bytes + 16);
    let mut state = 1_u64;
    while text.len() < bytes {
        // Knuth's MMIX generator: the same words each time.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 60) as usize]);
    }
    text.truncate(bytes);
    text
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap_or_default()
}

/// A page with all tools. `depth` is how many objects are nested in each of a schema's four properties.
fn list_of(tools: usize, depth: usize) -> String {
    let schema = schema(depth).to_string();
    let mut list = r#"{"tools":["#.to_owned();
    for index in 0..tools {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            list,
            r#"{comma}{{"name":"tool_{index}","title":"Tool {index}","description":"Does what tool {index} does, as its
description says at some length, since models read it.","inputSchema":{schema}}}"#
        );
    }
    list.push_str("]}");
    // The line end above would be invalid inside a JSON text.
    list.replace('\n', " ")
}

fn schema(depth: usize) -> Value {
    if depth == 0 {
        return json!({ "type": "string", "description": "A value that the tool needs", "maxLength": 200 });
    }
    json!({
        "type": "object",
        "properties": {
            "query": { "type": "string", "description": "What to look for" },
            "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 10 },
            "order": { "type": "string", "enum": ["newest", "oldest", "relevance"] },
            "filter": schema(depth - 1),
        },
        "required": ["query"],
        "additionalProperties": false,
    })
}

fn json_answer(builder: Builder, value: &Value) -> Answer {
    text_answer(builder, value.to_string())
}

fn text_answer(builder: Builder, text: String) -> Answer {
    let builder = builder.header(CONTENT_TYPE, "application/json");
    finish(builder, Full::from(text).boxed())
}

fn compressed_answer(builder: Builder, text: &str) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes());
    let Ok(bytes) = written.and_then(|()| encoder.finish()) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let builder = builder
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_ENCODING, "gzip");
    finish(builder, Full::from(bytes).boxed())
}

fn event_stream<B>(builder: Builder, body: B) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    let builder = builder
        .header(CONTENT_TYPE, "text/event-stream")
        .header(CACHE_CONTROL, "no-cache");
    finish(builder, body.boxed())
}

/// A GET stream on which nothing happens. One comment, so that clients see its headers.
fn silence() -> Answer {
    event_stream(
        Response::builder(),
        Silence(Some(Bytes::from_static(b": open\n\n"))),
    )
}

struct Silence(Option<Bytes>);

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // It ends with its socket, which hyper watches.
            None => std::task::Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn empty(status: StatusCode) -> Answer {
    finish(Response::builder().status(status), Full::default().boxed())
}

fn finish(builder: Builder, body: BoxBody<Bytes, Infallible>) -> Answer {
    builder.body(body).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
