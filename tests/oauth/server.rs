//! An authorization server that rotates refresh tokens, and an MCP server that wants its access tokens, on one origin.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::form_urlencoded;

/// What the server knows and does. Tests change it while it runs.
#[derive(Default)]
pub struct Script {
    /// `METHOD /path`, in order.
    pub requests: Vec<String>,
    /// Forms that the token endpoint got.
    pub forms: Vec<Vec<(String, String)>>,
    /// How long the token endpoint thinks.
    pub token_delay: Duration,
    /// Instead of the token endpoint's usual answer.
    pub token_answer: Option<(u16, String)>,
    /// The refresh token that is good now; using another one revokes everything, as servers that rotate do.
    pub refresh_token: String,
    pub revoked: bool,
    pub issued: usize,
    /// The access token that the MCP server takes.
    pub accepted: String,
    /// Instead of tools: the challenge of a 403.
    pub forbidden: Option<String>,
    /// Instead of its own documents, by path.
    pub documents: HashMap<&'static str, Value>,
}

impl Script {
    pub fn form(&self, index: usize, name: &str) -> Option<&str> {
        let found = self.forms[index].iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn count(&self, request: &str) -> usize {
        self.requests.iter().filter(|it| *it == request).count()
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub script: Arc<Mutex<Script>>,
}

struct Answer {
    status: u16,
    headers: String,
    body: String,
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status,
        headers: "content-type: application/json\r\n".to_owned(),
        body: body.to_string(),
    }
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script {
            refresh_token: "rt-0".to_owned(),
            accepted: "at-0".to_owned(),
            ..Script::default()
        }));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, address, Arc::clone(&shared)));
            }
        });
        Self { address, script }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: TcpStream, address: SocketAddr, script: Arc<Mutex<Script>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = path.split('?').next().unwrap();
    script.lock().requests.push(format!("{method} {path}"));
    let published = script.lock().documents.get(path).cloned();
    let answer = match (method, path) {
        ("GET", _) if published.is_some() => answer(200, &published.unwrap_or_default()),
        ("GET", "/.well-known/oauth-protected-resource/mcp") => answer(
            200,
            &json!({
                "resource": format!("http://{address}/mcp"),
                "authorization_servers": [format!("http://{address}")],
                "scopes_supported": ["read"],
            }),
        ),
        ("GET", "/.well-known/oauth-authorization-server") => answer(
            200,
            &json!({
                "issuer": format!("http://{address}"),
                "authorization_endpoint": format!("http://{address}/authorize"),
                "token_endpoint": format!("http://{address}/token"),
                "registration_endpoint": format!("http://{address}/register"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
            }),
        ),
        ("POST", "/register") => {
            let mut client: Value = serde_json::from_slice(&body).unwrap();
            client["client_id"] = json!("registered");
            client["client_secret"] = json!("secret-client");
            client["registration_access_token"] = json!("secret-registration");
            answer(201, &client)
        }
        ("POST", "/token") => {
            let delay = script.lock().token_delay;
            tokio::time::sleep(delay).await;
            token(&mut script.lock(), &body)
        }
        (_, "/mcp") => mcp(
            &script.lock(),
            method,
            header("authorization").as_deref(),
            &body,
        ),
        _ => answer(404, &json!({})),
    };
    let Answer {
        status,
        headers,
        body,
    } = answer;
    let text = format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn token(script: &mut Script, body: &[u8]) -> Answer {
    let form: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
    script.forms.push(form);
    let index = script.forms.len() - 1;
    if let Some((status, body)) = &script.token_answer {
        return Answer {
            status: *status,
            headers: "location: http://127.0.0.1:9/elsewhere\r\n".to_owned(),
            body: body.clone(),
        };
    }
    let refreshes = script.form(index, "grant_type") == Some("refresh_token");
    let known = script.form(index, "refresh_token") == Some(script.refresh_token.as_str());
    if refreshes && (script.revoked || !known) {
        script.revoked = true;
        return answer(400, &json!({ "error": "invalid_grant" }));
    }
    script.issued += 1;
    script.refresh_token = format!("rt-{}", script.issued);
    script.accepted = format!("at-{}", script.issued);
    answer(
        200,
        &json!({
            "access_token": script.accepted,
            "refresh_token": script.refresh_token,
            "token_type": "Bearer",
            "expires_in": 3600,
        }),
    )
}

/// Streamable HTTP without streams and sessions.
fn mcp(script: &Script, method: &str, authorization: Option<&str>, body: &[u8]) -> Answer {
    let challenge = |status: u16, challenge: &str| Answer {
        status,
        headers: format!("www-authenticate: {challenge}\r\n"),
        body: String::new(),
    };
    if authorization != Some(&format!("Bearer {}", script.accepted)) {
        return challenge(401, "Bearer error=\"invalid_token\"");
    }
    if let Some(forbidden) = &script.forbidden {
        return challenge(403, forbidden);
    }
    if method != "POST" {
        return answer(405, &json!({}));
    }
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "scripted", "version": "1" },
        }),
        Some("tools/list") => json!({
            "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }],
        }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "called" }] }),
        _ if message.get("id").is_none() => return answer(202, &json!({})),
        _ => {
            let error = json!({ "code": -32601, "message": "unknown" });
            return answer(
                200,
                &json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }),
            );
        }
    };
    answer(
        200,
        &json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }),
    )
}
