//! An identity provider on loopback whose answers have Entra's shape.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::form_urlencoded;

/// A token request as it arrived.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    pub at: Instant,
    pub form: HashMap<String, String>,
    /// The header section, as it was sent.
    pub head: String,
}

impl TokenRequest {
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}

pub enum Answer {
    Send {
        status: u16,
        headers: String,
        body: String,
    },
    /// The connection ends without an answer.
    Reset,
    /// Nothing, for as long as the client waits.
    Hang,
}

pub fn token(token: &str, expires_in: u64) -> Answer {
    answer(
        200,
        &json!({ "token_type": "Bearer", "scope": "s", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": token }),
    )
}

pub fn answer(status: u16, body: &Value) -> Answer {
    Answer::Send {
        status,
        headers: String::new(),
        body: body.to_string(),
    }
}

/// An error as Entra sends it.
pub fn error(status: u16, error: &str, code: i64, extra: &Value) -> Answer {
    let mut body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: It did not work. Trace ID: 00aa Correlation ID: 00bb"),
        "error_codes": [code],
        "timestamp": "2026-01-01 00:00:00Z",
        "trace_id": "0d5b0a2e-0000-4000-8000-000000000001",
        "correlation_id": "0d5b0a2e-0000-4000-8000-000000000002",
        "error_uri": "https://login.microsoftonline.com/error",
    });
    for (name, value) in extra.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    answer(status, &body)
}

pub fn with_header(answer: Answer, header: &str) -> Answer {
    match answer {
        Answer::Send {
            status,
            headers,
            body,
        } => Answer::Send {
            status,
            headers: format!("{headers}{header}\r\n"),
            body,
        },
        other => other,
    }
}

type Script = dyn Fn(&TokenRequest, usize) -> Answer + Send + Sync;

pub struct Idp {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<TokenRequest>>>,
}

impl Idp {
    /// `script` gets each request and its number, from 1.
    pub async fn start(
        delay: Duration,
        script: impl Fn(&TokenRequest, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<TokenRequest>>> = Arc::default();
        let (recorded, script): (_, Arc<Script>) = (Arc::clone(&requests), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (recorded, script) = (Arc::clone(&recorded), Arc::clone(&script));
                tokio::spawn(async move {
                    let _ = serve(socket, delay, &recorded, &*script).await;
                });
            }
        });
        Self { endpoint, requests }
    }

    pub fn requests(&self) -> Vec<TokenRequest> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn serve(
    mut socket: TcpStream,
    delay: Duration,
    recorded: &Mutex<Vec<TokenRequest>>,
    script: &Script,
) -> std::io::Result<()> {
    loop {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let request = TokenRequest {
            at: Instant::now(),
            form: HashMap::new(),
            head,
        };
        let length = request.header("content-length").unwrap_or("0");
        let length: usize = length.parse().unwrap();
        while bytes.len() < head_end + length {
            socket.read_buf(&mut bytes).await?;
        }
        let body = &bytes[head_end..];
        let request = TokenRequest {
            form: form_urlencoded::parse(body).into_owned().collect(),
            ..request
        };
        let number = {
            let mut recorded = recorded.lock().unwrap();
            recorded.push(request.clone());
            recorded.len()
        };
        tokio::time::sleep(delay).await;
        match script(&request, number) {
            Answer::Send {
                status,
                headers,
                body,
            } => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await?;
            }
            Answer::Reset => return Ok(()),
            Answer::Hang => std::future::pending().await,
        }
    }
}
