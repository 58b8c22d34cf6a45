//! A server in a few lines of JavaScript, and what a test holds of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use librechat_mcp_native::error::Error;
use librechat_mcp_native::host::{Environment, Level, Log, LogMeta, Logger};
use librechat_mcp_native::transport::message::{AnswerTo, Incoming, Outcome};
use librechat_mcp_native::transport::stdio::{Children, Ending, StdioOptions, StdioWire};
use librechat_mcp_native::transport::{Receiver, Sending, Waiting, Wire};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

pub const LIMIT: usize = 1024 * 1024;

/// A server in a few lines: answers `initialize` and `ping`, and `x/<name>` by the function of that name.
pub const SERVER: &str = r#"
const reply = (id, result) => JSON.stringify({ result, jsonrpc: '2.0', id });
const out = (text) => process.stdout.write(text + '\n');
const calls = {
  env: () => process.env,
  cwd: () => process.cwd(),
  argv: () => process.argv.slice(2),
  echo: (params) => params.value,
  garbage(params, id) {
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a]));
    out('Listening on stdio\r\n\n{"almost": json}\n{"jsonrpc":"1.0"}\n42');
    out('x'.repeat(100000));
    out(reply(id, 'after garbage') + '\r');
  },
  big: () => 'y'.repeat(3 * 1024 * 1024),
  idFirst(params, id) {
    out(JSON.stringify({ jsonrpc: '2.0', id, result: 'y'.repeat(3 * 1024 * 1024) }));
  },
  never() {},
  split(params, id) {
    const bytes = Buffer.from(reply(id, 'grüße ✓') + '\n');
    let at = 0;
    const step = () => {
      if (at < bytes.length) { process.stdout.write(bytes.subarray(at, at += 7)); setTimeout(step, 2); }
    };
    step();
  },
  batch(params, id) {
    out(JSON.stringify([{ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 1 } },
      { jsonrpc: '2.0', id, result: 'batched' }]));
  },
  flood(params, id) {
    const line = 'e'.repeat(9999) + '\n';
    for (let i = 0; i < 1024; i++) require('node:fs').writeSync(2, line);
    return 'flooded';
  },
  exit: () => process.exit(3),
};
let buffer = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (data) => {
  buffer += data;
  for (let end; (end = buffer.indexOf('\n')) >= 0; buffer = buffer.slice(end + 1)) {
    const { id, method, params } = JSON.parse(buffer.slice(0, end));
    if (method === 'initialize') {
      out(reply(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} },
        serverInfo: { name: 'small', version: '1' } }));
    } else if (method === 'ping') {
      out(reply(id, {}));
    } else if (method.startsWith('x/')) {
      const result = calls[method.slice(2)](params, id);
      if (result !== undefined) out(reply(id, { value: result }));
    }
  }
});
process.stdin.on('end', () => process.exit(0));
"#;

#[derive(Clone, Default)]
pub struct Records(pub Arc<Mutex<Vec<(Level, String)>>>);

impl Log for Records {
    fn log(&self, level: Level, message: String, _: LogMeta) {
        self.0.lock().push((level, message));
    }
}

impl Records {
    pub fn has(&self, level: Level, part: &str) -> bool {
        self.0
            .lock()
            .iter()
            .any(|(found, text)| *found == level && text.contains(part))
    }
}

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "mcp-stdio-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Fixture {
    pub folder: Folder,
    pub children: Children,
    pub records: Records,
}

impl Fixture {
    pub fn new() -> Self {
        Self {
            folder: Folder::new(),
            children: Children::default(),
            records: Records::default(),
        }
    }

    pub fn server(&self) -> StdioOptions {
        let script = self.folder.file("server.js");
        fs::write(&script, SERVER).unwrap();
        StdioOptions {
            command: "node".to_owned(),
            args: vec![script],
            max_line_bytes: LIMIT,
            ..StdioOptions::default()
        }
    }

    pub async fn spawn(&self, options: StdioOptions) -> Result<Spawned, Error> {
        let path = std::env::var("PATH").unwrap();
        let environment =
            Environment::from([("PATH", &*path), ("SECRET", "s3cret"), ("SHELL", "() {:;}")]);
        let (sender, messages) = mpsc::unbounded_channel();
        let notes = Arc::new(Notes {
            sender: Mutex::new(Some(sender)),
            waiting: Mutex::default(),
        });
        let receiver: Arc<dyn Receiver> = notes.clone();
        let wire = StdioWire::spawn(
            options,
            &environment,
            Arc::default(),
            Arc::downgrade(&receiver),
            Logger::new(Arc::new(self.records.clone())).prefixed(|| "[test]".to_owned()),
            &self.children,
        )
        .await?;
        Ok(Spawned {
            wire: Arc::new(wire),
            notes,
            messages,
        })
    }

    pub async fn client(&self, options: StdioOptions) -> Client {
        let spawned = self.spawn(options).await.unwrap();
        let pid = spawned.pid().unwrap();
        let mut client = Client {
            pid,
            spawned,
            described: Value::Null,
            next_id: 1,
        };
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
        client.described = client.request("initialize", &params).await.unwrap();
        client
    }
}

/// Passes on what a wire reads.
struct Notes {
    /// Gone when the wire has ended.
    sender: Mutex<Option<mpsc::UnboundedSender<Value>>>,
    waiting: Mutex<Vec<u64>>,
}

impl Notes {
    fn pass(&self, message: Value) {
        if let Some(sender) = &*self.sender.lock() {
            let _ = sender.send(message);
        }
    }
}

impl Receiver for Notes {
    fn receive(&self, message: Incoming<'_>, _: Option<u64>) {
        self.pass(match message {
            Incoming::Request(request) => {
                json!({ "id": request.id, "method": request.method })
            }
            Incoming::Notification { method, .. } => json!({ "method": method }),
            Incoming::Answer(answer) => {
                let AnswerTo::Ours(id) = answer.to else {
                    return;
                };
                self.waiting.lock().retain(|waits| *waits != id);
                match answer.outcome {
                    Outcome::Result(result) => json!({ "id": id, "result": result }),
                    other => json!({ "id": id, "error": format!("{other:?}") }),
                }
            }
        });
    }

    fn has_answer(&self, id: u64) -> bool {
        !self.waiting.lock().contains(&id)
    }

    fn fail(&self, id: u64, error: Error) {
        self.waiting.lock().retain(|waits| *waits != id);
        self.pass(json!({ "id": id, "error": error.message }));
    }

    fn waiting(&self) -> Waiting {
        match self.waiting.lock()[..] {
            [] => Waiting::Nobody,
            [id] => Waiting::One(id),
            _ => Waiting::Several,
        }
    }

    fn awaited(&self) -> Vec<u64> {
        self.waiting.lock().clone()
    }

    fn lost(&self, _: &[u64]) {}

    fn forgotten(&self) {}
    fn conflicted(&self) {}

    fn over(&self) {
        self.sender.lock().take();
    }
}

/// A process, and what it writes.
pub struct Spawned {
    pub wire: Arc<StdioWire>,
    notes: Arc<Notes>,
    messages: mpsc::UnboundedReceiver<Value>,
}

impl Spawned {
    pub fn pid(&self) -> Option<u32> {
        self.wire.pid()
    }

    pub fn ending(&self) -> Ending {
        self.wire.ending()
    }

    /// The next message; `None` when the process has ended.
    pub async fn receive(&mut self) -> Option<Value> {
        self.messages.recv().await
    }

    pub async fn close(&self) {
        self.wire.close().await;
    }

    /// Sends a request, which then waits for its answer.
    pub fn send(
        &self,
        id: u64,
        method: &str,
        params: &Value,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.notes.waiting.lock().push(id);
        let wire = Arc::clone(&self.wire);
        async move {
            let sending = Sending {
                text: serde_json::to_vec(&message).unwrap(),
                id: Some(id),
                call: None,
                standard: Vec::new(),
                is_repeatable: true,
            };
            wire.send(sending).await.map_err(|failure| failure.error)
        }
    }
}

pub struct Client {
    pub pid: u32,
    pub spawned: Spawned,
    pub described: Value,
    next_id: u64,
}

impl Client {
    async fn request(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        let id = self.next_id;
        self.next_id += 1;
        let sent = self.spawned.send(id, method, params);
        within(30, sent).await.map_err(|error| error.message)?;
        loop {
            let message = within(30, self.spawned.receive()).await;
            let mut message = message.ok_or("the process has ended")?;
            if message["id"] == id {
                let error = message["error"].as_str().map(str::to_owned);
                return error.map_or_else(|| Ok(message["result"].take()), Err);
            }
        }
    }

    /// Calls `x/<name>`.
    pub async fn call(&mut self, name: &str, params: Value) -> Result<Value, String> {
        let result = self.request(&format!("x/{name}"), &params).await?;
        Ok(result.get("value").cloned().unwrap_or(result))
    }

    pub async fn close(self) {
        within(30, self.spawned.close()).await;
    }
}

pub async fn within<F: Future>(seconds: u64, future: F) -> F::Output {
    timeout(Duration::from_secs(seconds), future)
        .await
        .expect("took too long")
}

pub async fn eventually(mut condition: impl FnMut() -> bool) {
    within(30, async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

pub fn shell(script: &str) -> StdioOptions {
    StdioOptions {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        ..StdioOptions::default()
    }
}

/// The state letter of a process; none once it is reaped.
pub fn state(pid: u32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Dead: reaped, or an orphan that its new parent has yet to reap.
pub fn is_dead(pid: u32) -> bool {
    state(pid).is_none_or(|state| state.starts_with('Z'))
}

pub fn pid_in(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
