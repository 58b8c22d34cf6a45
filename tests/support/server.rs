//! An MCP server that speaks one transport, and answers the first `tools/list` as a test says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::http::{Received, read_request};
use super::wire::{EVENT_STREAM_HEAD, Step, Wire, frame, perform, response};

/// The steps that answer a request with this id.
pub type Script = fn(Wire, &Value) -> Vec<Step>;

pub fn tools(id: &Value) -> Vec<u8> {
    let tools = json!([{ "name": "echo", "inputSchema": { "type": "object" } }]);
    result(id, &json!({ "tools": tools }))
}

pub fn result(id: &Value, result: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
        .to_string()
        .into_bytes()
}

pub fn initialized(message: &Value) -> Vec<u8> {
    result(
        &message["id"],
        &json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "test", "version": "1" },
        }),
    )
}

/// A server on loopback.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    wire: Wire,
    fault: Script,
    lists: AtomicUsize,
    sessions: Mutex<HashMap<String, mpsc::UnboundedSender<Vec<Step>>>>,
    received: Mutex<Vec<Received>>,
}

impl Server {
    pub async fn start(wire: Wire, fault: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            shared: Arc::new(Shared {
                wire,
                fault,
                lists: AtomicUsize::default(),
                sessions: Mutex::default(),
                received: Mutex::default(),
            }),
        };
        let shared = Arc::clone(&server.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&shared).serve(stream));
            }
        });
        server
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }

    pub fn count(&self, rpc: &str) -> usize {
        self.received()
            .iter()
            .filter(|request| request.rpc() == rpc)
            .count()
    }

    pub fn config(&self) -> Value {
        let port = self.port;
        match self.shared.wire {
            Wire::Events | Wire::Json => json!({
                "type": "streamable-http", "url": format!("http://127.0.0.1:{port}/mcp"),
            }),
            Wire::Sse => json!({ "type": "sse", "url": format!("http://127.0.0.1:{port}/sse") }),
            Wire::WebSocket => json!({ "url": format!("ws://127.0.0.1:{port}/ws") }),
            Wire::Stdio => panic!("started by a config of its own"),
        }
    }
}

impl Shared {
    /// What answers a message; nothing for notifications.
    fn steps(&self, message: &Value) -> Vec<Step> {
        let (wire, id) = (self.wire, &message["id"]);
        let text = match message["method"].as_str() {
            Some("initialize") => initialized(message),
            Some("tools/list") if self.lists.fetch_add(1, Ordering::SeqCst) == 0 => {
                return (self.fault)(wire, id);
            }
            Some("tools/list") => tools(id),
            Some(_) if !id.is_null() => result(id, &json!({})),
            _ => return Vec::new(),
        };
        vec![Step::Send(wire.answer(&[&text]))]
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        while let Some(request) = read_request(&mut stream).await {
            self.received.lock().push(request.clone());
            let open = match (request.method.as_str(), self.wire) {
                ("GET", Wire::Sse) => return self.serve_events(stream).await,
                ("GET", Wire::WebSocket) => return self.serve_frames(stream, &request).await,
                ("GET" | "DELETE", _) => {
                    let refused = response("405 Method Not Allowed", "text/plain", b"");
                    perform(&mut stream, vec![Step::Send(refused)]).await
                }
                _ if self.wire == Wire::Sse => {
                    let accepted = response("202 Accepted", "text/plain", b"Accepted");
                    let steps = self.steps(&request.message);
                    if let Some(session) = self.sessions.lock().get(&request.target) {
                        let _ = session.send(steps);
                    }
                    perform(&mut stream, vec![Step::Send(accepted)]).await
                }
                _ => {
                    let mut steps = self.steps(&request.message);
                    if steps.is_empty() {
                        let accepted = response("202 Accepted", "text/plain", b"");
                        steps.push(Step::Send(accepted));
                    } else if self.wire == Wire::Events {
                        steps.push(Step::Close);
                    }
                    perform(&mut stream, steps).await
                }
            };
            if !open {
                return;
            }
        }
    }

    async fn serve_events(self: Arc<Self>, mut stream: TcpStream) {
        let (sender, mut steps) = mpsc::unbounded_channel();
        let target = {
            let mut sessions = self.sessions.lock();
            let target = format!("/messages?session={}", sessions.len());
            sessions.insert(target.clone(), sender);
            target
        };
        let head = format!("{EVENT_STREAM_HEAD}event: endpoint\ndata: {target}\nretry: 50\n\n");
        let mut next = vec![Step::Send(head.into_bytes())];
        while perform(&mut stream, next).await {
            let mut gone = [0];
            next = tokio::select! {
                steps = steps.recv() => steps.unwrap(),
                _ = stream.read(&mut gone) => return,
            };
        }
    }

    async fn serve_frames(self: Arc<Self>, mut stream: TcpStream, request: &Received) {
        stream.write_all(&upgraded(request)).await.unwrap();
        while let Some((opcode, payload)) = read_frame(&mut stream).await {
            let steps = match opcode {
                1 => {
                    let message = serde_json::from_slice(&payload).unwrap();
                    let received = Received {
                        message,
                        ..Received::default()
                    };
                    self.received.lock().push(received.clone());
                    self.steps(&received.message)
                }
                8 => vec![Step::Send(frame(0x88, &payload)), Step::Close],
                _ => Vec::new(),
            };
            if !perform(&mut stream, steps).await {
                return;
            }
        }
    }
}

/// The answer to a request for a WebSocket.
pub fn upgraded(request: &Received) -> Vec<u8> {
    let key = request.header("sec-websocket-key").unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-protocol: mcp\r\nsec-websocket-accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// A client's frame: opcode and payload. Clients of these tests send no fragments.
pub async fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let opcode = stream.read_u8().await.ok()? & 0x0F;
    let second = stream.read_u8().await.ok()?;
    assert!(second & 0x80 != 0, "clients mask what they send");
    let length = match second & 0x7F {
        126 => stream.read_u16().await.ok()?.into(),
        127 => stream.read_u64().await.ok()?,
        short => short.into(),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.ok()?;
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
    Some((opcode, payload))
}

/// The first request after `initialize`, for a server that has to know it beforehand.
const FIRST_ID: u32 = 1;

/// A server behind standard streams, which performs the steps of its argument on the first `tools/list`.
const STDIO_SERVER: &str = r"
const steps = JSON.parse(process.argv[1]);
const write = (bytes) => new Promise((done) => process.stdout.write(bytes, done));
const answer = (id, result) => write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\n');
let lists = 0;
async function handle({ id, method, params }) {
  if (method === 'initialize') {
    await answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} },
      serverInfo: { name: 'test', version: '1' } });
  } else if (method === 'tools/list' && lists++ === 0) {
    for (const [step, value] of steps) {
      if (step === 'wait') await new Promise((done) => setTimeout(done, value));
      else if (step === 'exit') process.exit(1);
      else await write(Buffer.from(value, 'base64'));
    }
  } else if (method === 'tools/list') {
    await answer(id, { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] });
  }
}
let buffer = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (data) => {
  buffer += data;
  for (let end; (end = buffer.indexOf('\n')) >= 0; buffer = buffer.slice(end + 1)) handle(JSON.parse(buffer.slice(0, end)));
});
process.stdin.on('end', () => process.exit(0));
";

pub fn stdio_config(fault: Script) -> Value {
    let steps: Vec<Value> = fault(Wire::Stdio, &json!(FIRST_ID))
        .into_iter()
        .map(|step| match step {
            Step::Send(bytes) => json!(["send", BASE64_STANDARD.encode(bytes)]),
            Step::Wait(time) => json!(["wait", u64::try_from(time.as_millis()).unwrap()]),
            Step::Until(_) => panic!("another process cannot be told"),
            Step::Close | Step::Reset => json!(["exit", null]),
        })
        .collect();
    json!({ "command": "node", "args": ["-e", STDIO_SERVER, Value::from(steps).to_string()] })
}

pub const fn ms(milliseconds: u64) -> Step {
    Step::Wait(Duration::from_millis(milliseconds))
}
