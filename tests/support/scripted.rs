//! A server whose answers a test writes itself, request by request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::http::{Received, read_request};
use super::wire::{EVENT_STREAM_HEAD, Step, perform, response};

/// What a server does with a request.
pub enum Action {
    /// These steps, then the next request of the connection.
    Reply(Vec<Step>),
    /// An event stream, fed as long as it is open.
    Stream(mpsc::UnboundedReceiver<Vec<Step>>),
}

type Handler = dyn Fn(&Received) -> Action + Send + Sync;

/// A server on loopback.
pub struct Scripted {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    open: Arc<AtomicUsize>,
}

impl Scripted {
    pub async fn start(handler: impl Fn(&Received) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            received: Arc::default(),
            open: Arc::default(),
        };
        let handler: Arc<Handler> = Arc::new(handler);
        let (received, open) = (Arc::clone(&server.received), Arc::clone(&server.open));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, received) = (Arc::clone(&handler), Arc::clone(&received));
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &*handler, &received).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Requests with this HTTP method.
    pub fn of(&self, method: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|request| request.method == method);
        received
    }

    /// Messages with this JSON-RPC method.
    pub fn rpc(&self, method: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|request| request.rpc() == method);
        received
    }
}

async fn serve(mut stream: TcpStream, handler: &Handler, received: &Mutex<Vec<Received>>) {
    stream.set_nodelay(true).unwrap();
    while let Some(request) = read_request(&mut stream).await {
        received.lock().push(request.clone());
        match handler(&request) {
            Action::Reply(steps) => {
                if !perform(&mut stream, steps).await {
                    return;
                }
            }
            Action::Stream(mut steps) => {
                let mut next = vec![Step::Send(EVENT_STREAM_HEAD.into())];
                while perform(&mut stream, next).await {
                    let mut gone = [0];
                    next = tokio::select! {
                        steps = steps.recv() => match steps {
                            Some(steps) => steps,
                            None => vec![Step::Close],
                        },
                        _ = stream.read(&mut gone) => return,
                    };
                }
                return;
            }
        }
    }
}

pub fn reply(status: &str, kind: &str, body: &[u8]) -> Action {
    Action::Reply(vec![Step::Send(response(status, kind, body))])
}

pub fn accepted() -> Action {
    reply("202 Accepted", "text/plain", b"")
}

pub fn json(text: &[u8]) -> Action {
    reply("200 OK", "application/json", text)
}

/// A JSON answer with further header lines.
pub fn json_with(headers: &str, text: &[u8]) -> Action {
    with_headers("200 OK", headers, "application/json", text)
}

pub fn with_headers(status: &str, headers: &str, kind: &str, body: &[u8]) -> Action {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Action::Reply(vec![Step::Send([head.as_bytes(), body].concat())])
}

/// An event stream that ends after these bytes.
pub fn events(text: &str) -> Action {
    Action::Reply(vec![
        Step::Send(EVENT_STREAM_HEAD.into()),
        Step::Send(text.into()),
        Step::Close,
    ])
}

/// The text of an event.
pub fn event(message: &[u8]) -> Vec<Step> {
    vec![Step::Send([b"data: ", message, b"\n\n"].concat())]
}

pub fn text_event(text: &str) -> Vec<Step> {
    vec![Step::Send(text.into())]
}

pub fn is_request(message: &Value) -> bool {
    !message["id"].is_null() && !message["method"].is_null()
}
