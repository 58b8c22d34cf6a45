//! The stdio transport against real processes.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, which clippy.toml does not cover"
)]

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use librechat_mcp_native::error::{Code, Error};
use librechat_mcp_native::foreign_text::SentSecrets;
use librechat_mcp_native::host::{Environment, Level, Log, LogMeta, Logger};
use librechat_mcp_native::transport::stdio::{Children, Stderr, StdioOptions, StdioTransport};
use librechat_mcp_native::transport::{RawResult, Tap};
use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, CustomRequest, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use rmcp::{RoleClient, ServiceError, serve_client};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const LIMIT: usize = 1024 * 1024;

/// A server in a few lines: answers `initialize` and `ping`, and `x/<name>` by the function of that name.
const SERVER: &str = r#"
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
struct Records(Arc<Mutex<Vec<(Level, String)>>>);

impl Log for Records {
    fn log(&self, level: Level, message: String, _: LogMeta) {
        self.0.lock().push((level, message));
    }
}

impl Records {
    fn has(&self, level: Level, part: &str) -> bool {
        self.0
            .lock()
            .iter()
            .any(|(found, text)| *found == level && text.contains(part))
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
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

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Fixture {
    folder: Folder,
    children: Children,
    records: Records,
    tap: Tap,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: Folder::new(),
            children: Children::default(),
            records: Records::default(),
            tap: Tap::default(),
        }
    }

    fn server(&self) -> StdioOptions {
        let script = self.folder.file("server.js");
        fs::write(&script, SERVER).unwrap();
        StdioOptions {
            command: "node".to_owned(),
            args: vec![script],
            max_line_bytes: LIMIT,
            ..StdioOptions::default()
        }
    }

    async fn spawn(&self, options: StdioOptions) -> Result<StdioTransport, Error> {
        let path = std::env::var("PATH").unwrap();
        let environment =
            Environment::from([("PATH", &*path), ("SECRET", "s3cret"), ("SHELL", "() {:;}")]);
        StdioTransport::spawn(
            options,
            &environment,
            self.tap.clone(),
            Logger::new(Arc::new(self.records.clone())),
            "[test]".to_owned(),
            &self.children,
        )
        .await
    }

    async fn client(&self, options: StdioOptions) -> Client {
        let transport = self.spawn(options).await.unwrap();
        let pid = transport.pid().unwrap();
        let service = within(30, serve_client((), transport)).await.unwrap();
        Client { pid, service }
    }
}

struct Client {
    pid: u32,
    service: rmcp::service::RunningService<RoleClient, ()>,
}

impl Client {
    /// Calls `x/<name>`; the result arrives through the tap, as it does in production.
    async fn call(&self, name: &str, params: Value) -> Result<Value, ServiceError> {
        let raw = RawResult::default();
        let mut request = CustomRequest::new(format!("x/{name}"), Some(params));
        request.extensions.insert(raw.clone());
        within(
            30,
            self.service
                .peer()
                .send_request(ClientRequest::CustomRequest(request)),
        )
        .await?;
        let result: Value = serde_json::from_str(raw.take().unwrap().get()).unwrap();
        Ok(result.get("value").cloned().unwrap_or(result))
    }

    async fn close(self) {
        within(30, self.service.cancel()).await.unwrap();
    }
}

async fn within<F: Future>(seconds: u64, future: F) -> F::Output {
    timeout(Duration::from_secs(seconds), future)
        .await
        .expect("took too long")
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    within(30, async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn shell(script: &str) -> StdioOptions {
    StdioOptions {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        ..StdioOptions::default()
    }
}

fn message(id: i64, value: &Value) -> ClientJsonRpcMessage {
    let request = ClientRequest::CustomRequest(CustomRequest::new(
        "x/echo",
        Some(json!({ "value": value })),
    ));
    ClientJsonRpcMessage::request(request, RequestId::Number(id))
}

/// The state letter of a process; none once it is reaped.
fn state(pid: u32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Dead: reaped, or an orphan that its new parent has yet to reap.
fn is_dead(pid: u32) -> bool {
    state(pid).is_none_or(|state| state.starts_with('Z'))
}

fn pid_in(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[tokio::test]
async fn handshake_calls_and_close() {
    let fixture = Fixture::new();
    let client = fixture.client(fixture.server()).await;
    assert_eq!(
        client
            .service
            .peer_info()
            .unwrap()
            .server_info
            .as_ref()
            .unwrap()
            .name,
        "small"
    );
    let value = json!({ "text": "grüße\n✓", "number": 1.5, "none": null });
    let echoed = client.call("echo", json!({ "value": value.clone() })).await;
    assert_eq!(echoed.unwrap(), value);
    let pid = client.pid;
    assert_eq!(fixture.children.count(), 1);
    client.close().await;
    assert_eq!(state(pid), None, "no zombie is left");
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn a_missing_command_fails_at_once() {
    let fixture = Fixture::new();
    let missing = StdioOptions {
        command: "no-such-mcp-server".to_owned(),
        ..StdioOptions::default()
    };
    let error = fixture.spawn(missing).await.err().unwrap();
    assert_eq!((error.code, error.retryable), (Code::SpawnFailed, false));
    assert!(
        error.message.contains("\"no-such-mcp-server\"")
            && error.message.contains("No such file or directory"),
        "{error}"
    );

    let misplaced = StdioOptions {
        cwd: Some(fixture.folder.file("nowhere")),
        ..shell("true")
    };
    let error = fixture.spawn(misplaced).await.err().unwrap();
    assert!(
        error.message.contains("nowhere\" does not exist"),
        "{error}"
    );
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn what_cannot_be_executed_fails_at_once() {
    let fixture = Fixture::new();
    let file = |name: &str, text: &[u8], mode: u32| {
        let path = fixture.folder.file(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let ran = fixture.folder.file("ran");
    // A shell that stepped in would run this.
    let script = format!("touch {ran}\n");
    let no_program = file("no-program", script.as_bytes(), 0o755);
    let empty = file("empty", b"", 0o755);
    let elf = file("elf", b"\x7fELF\x02\x01\x01\x00", 0o755);
    let no_interpreter = file("no-interpreter", b"#!/no/such/program\n", 0o755);
    let forbidden = file("forbidden", b"#!/bin/sh\n", 0o644);
    let folder = fixture.folder.file("");
    let command = |command: &str, cwd: Option<&str>| StdioOptions {
        command: command.to_owned(),
        cwd: cwd.map(str::to_owned),
        ..StdioOptions::default()
    };
    let in_path = |name: &str| StdioOptions {
        env: vec![("PATH".to_owned(), format!("/no/such/folder:{folder}"))],
        ..command(name, None)
    };
    for (options, expected) in [
        (command(&no_program, None), "no program for this system"),
        (in_path("no-program"), "no program for this system"),
        (command(&empty, None), "no program for this system"),
        (command(&elf, None), "no program for this system"),
        (command(&no_interpreter, None), "No such file or directory"),
        (command(&forbidden, None), "may not execute it"),
        (in_path("forbidden"), "may not execute it"),
        (command(&folder, None), "it is a folder"),
        (
            command("./no-such", Some(&folder)),
            "No such file or directory",
        ),
        (command("", None), "No such file or directory"),
        (command("a\0b", None), "nul byte"),
        (command("true", Some(&empty)), "is not a folder"),
        (
            StdioOptions {
                args: vec!["x".repeat(8 * 1024 * 1024)],
                ..command("true", None)
            },
            "Argument list too long",
        ),
        (
            StdioOptions {
                stderr: Stderr::Descriptor(12_345),
                ..command("true", None)
            },
            "`stderr` is the file descriptor 12345",
        ),
    ] {
        let error = within(30, fixture.spawn(options)).await.err().unwrap();
        assert_eq!((error.code, error.retryable), (Code::SpawnFailed, false));
        assert!(error.message.contains(expected), "{error}");
    }
    assert!(!Path::new(&ran).exists());
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn programs_are_found_where_the_child_would_look() {
    let fixture = Fixture::new();
    let inner = fixture.folder.0.join("bin");
    fs::create_dir(&inner).unwrap();
    let program = inner.join("say");
    fs::write(&program, "#!/bin/sh\necho \"$0\" > \"$OUT\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // One that may not be executed comes first, and is passed over.
    fs::write(fixture.folder.0.join("say"), "").unwrap();
    let cwd = fixture.folder.file("");
    for (command, path) in [
        ("./bin/say", None),
        ("say", Some("bin")),
        ("say", Some(&*format!("/no/such/folder:{cwd}:{cwd}bin"))),
    ] {
        let out = fixture.folder.file("out");
        let _ = fs::remove_file(&out);
        let mut env = vec![("OUT".to_owned(), out.clone())];
        env.extend(path.map(|path| ("PATH".to_owned(), path.to_owned())));
        let options = StdioOptions {
            command: command.to_owned(),
            cwd: Some(cwd.clone()),
            env,
            ..StdioOptions::default()
        };
        let mut transport = fixture.spawn(options).await.unwrap();
        assert!(within(30, transport.receive()).await.is_none());
        let said = fs::read_to_string(&out).unwrap();
        assert!(said.trim().ends_with("say"), "{said}");
    }
}

/// What a child's descriptors are, by what it sees itself; the one that it tells them with is not among them.
#[cfg(target_os = "linux")]
async fn descriptors(fixture: &Fixture, stderr: Stderr) -> Vec<(u32, String)> {
    let file = fixture.folder.file("descriptors");
    let options = StdioOptions {
        env: vec![("OUT".to_owned(), file.clone())],
        stderr,
        ..shell(
            "exec 9> \"$OUT.new\"; cd /proc/$$/fd; for f in *; do [ -e $f ] && echo \"$f $(readlink $f)\" >&9; done; mv \"$OUT.new\" \"$OUT\"; cat",
        )
    };
    let mut transport = fixture.spawn(options).await.unwrap();
    eventually(|| Path::new(&file).exists()).await;
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    within(30, transport.close()).await.unwrap();
    text.lines()
        .filter_map(|line| {
            let (number, target) = line.split_once(' ')?;
            Some((number.parse().unwrap(), target.to_owned()))
        })
        .filter(|(_, target)| !target.starts_with(&fixture.folder.file("descriptors")))
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_gets_three_descriptors() {
    let fixture = Fixture::new();
    // One that whoever started this process left open, without the flag that closes it.
    let left_open = fs::File::create(fixture.folder.file("left-open")).unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();
    let number = u32::try_from(left_open.as_raw_fd()).unwrap();
    // As Node does it.
    rustix::io::fcntl_setfd(std::io::stderr(), rustix::io::FdFlags::CLOEXEC).unwrap();
    let own = fs::read_link("/proc/self/fd/2").unwrap();
    let own = own.to_str().unwrap();
    for (stderr, expected) in [
        (Stderr::Inherit, own),
        (Stderr::Descriptor(2), own),
        (Stderr::Ignore, "/dev/null"),
        (Stderr::Pipe, "pipe:"),
        (
            Stderr::Descriptor(number),
            &*fixture.folder.file("left-open"),
        ),
    ] {
        let found = descriptors(&fixture, stderr).await;
        let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2], "{stderr:?}: {found:?}");
        assert!(found[0].1.starts_with("pipe:") && found[1].1.starts_with("pipe:"));
        assert!(found[2].1.starts_with(expected), "{stderr:?}: {found:?}");
    }
}

#[tokio::test]
async fn environment_folder_and_arguments() {
    let fixture = Fixture::new();
    let mut options = fixture.server();
    options.args.push("a b; $PATH".to_owned());
    options.env = vec![("CONFIGURED".to_owned(), "yes".to_owned())];
    options.cwd = Some(fixture.folder.file(""));
    let client = fixture.client(options).await;
    let env = client.call("env", json!({})).await.unwrap();
    assert_eq!(env["CONFIGURED"], "yes");
    let mut names: Vec<_> = env
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    // Neither other variables of the host and of this process, nor shell functions.
    assert_eq!(names, ["CONFIGURED", "PATH"]);
    let cwd = client.call("cwd", json!({})).await.unwrap();
    assert_eq!(Path::new(cwd.as_str().unwrap()), fixture.folder.0);
    let argv = client.call("argv", json!({})).await.unwrap();
    assert_eq!(argv, json!(["a b; $PATH"]));
    client.close().await;
}

#[tokio::test]
async fn garbage_is_skipped() {
    let fixture = Fixture::new();
    let client = fixture.client(fixture.server()).await;
    let result = client.call("garbage", json!({})).await.unwrap();
    assert_eq!(result, "after garbage");
    assert!(fixture.records.has(Level::Warn, "not UTF-8"));
    assert!(fixture.records.has(Level::Debug, "Listening on stdio"));
    assert!(fixture.records.has(Level::Debug, "100000 bytes"));
    let longest = fixture
        .records
        .0
        .lock()
        .iter()
        .map(|(_, text)| text.len())
        .max();
    assert!(longest.unwrap() < 400);
    client.close().await;
}

#[tokio::test]
async fn messages_come_split_and_batched() {
    let fixture = Fixture::new();
    let client = fixture.client(fixture.server()).await;
    assert_eq!(client.call("split", json!({})).await.unwrap(), "grüße ✓");
    assert_eq!(client.call("batch", json!({})).await.unwrap(), "batched");
    client.close().await;
}

#[tokio::test]
async fn an_oversized_answer_fails_its_request_and_nothing_else() {
    let fixture = Fixture::new();
    let client = fixture.client(fixture.server()).await;
    // The id comes last; with other requests pending, it decides.
    let peer = client.service.peer().clone();
    let never = ClientRequest::CustomRequest(CustomRequest::new("x/never", Some(json!({}))));
    let pending = tokio::spawn(async move { peer.send_request(never).await });
    for name in ["big", "idFirst", "big"] {
        let error = client.call(name, json!({})).await.unwrap_err();
        let ServiceError::McpError(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.code.0, -32000);
        assert!(
            error.message.starts_with(
                "[MCP] MCP response contained an oversized line (lineLimit=1048576 bytes, observedLine="
            ),
            "{}",
            error.message
        );
        let echoed = client.call("echo", json!({ "value": name })).await;
        assert_eq!(echoed.unwrap(), name);
    }
    assert!(!pending.is_finished());
    client.close().await;
}

#[tokio::test]
async fn stderr_floods_do_not_block() {
    for mode in [Stderr::Pipe, Stderr::Ignore] {
        let fixture = Fixture::new();
        let options = StdioOptions {
            stderr: mode,
            ..fixture.server()
        };
        let client = fixture.client(options).await;
        assert_eq!(client.call("flood", json!({})).await.unwrap(), "flooded");
        client.close().await;
        let lines = || fixture.records.0.lock().len();
        if mode == Stderr::Pipe {
            eventually(|| {
                fixture
                    .records
                    .has(Level::Warn, " lines of stderr were dropped")
            })
            .await;
            assert!(fixture.records.has(Level::Debug, "[test] stderr: eee"));
            // A burst, and what a second or two add to it.
            assert!((500..1000).contains(&lines()), "{}", lines());
            let longest = fixture
                .records
                .0
                .lock()
                .iter()
                .map(|(_, text)| text.len())
                .max();
            assert!(longest.unwrap() < 4096 + 100);
        } else {
            assert_eq!(lines(), 0);
        }
    }
}

#[tokio::test]
async fn an_exit_ends_the_connection() {
    let fixture = Fixture::new();
    let client = fixture.client(fixture.server()).await;
    assert!(client.call("exit", json!({})).await.is_err());
    eventually(|| {
        fixture.records.has(
            Level::Warn,
            "[test] MCP server process exited with status 3",
        )
    })
    .await;
    eventually(|| fixture.children.count() == 0).await;
    assert_eq!(state(client.pid), None);
    eventually(|| client.service.peer().is_transport_closed()).await;
}

#[tokio::test]
async fn an_end_is_told_in_words() {
    let piped = |script: &str| StdioOptions {
        stderr: Stderr::Pipe,
        secrets: SentSecrets::from(vec!["s3cret-of-the-child".into()]),
        ..shell(script)
    };
    for (options, expected) in [
        (shell("exit 0"), "exited with status 0"),
        (shell("exit 3"), "exited with status 3"),
        (shell("kill -SEGV $$"), "was killed by SIGSEGV"),
        (shell("kill -KILL $$"), "was killed by SIGKILL"),
        (
            piped("echo one >&2; printf 'no line end' >&2; exit 4"),
            "exited with status 4; last lines of its stderr: one | no line end",
        ),
        (
            piped("echo key s3cret-of-the-child >&2; printf '\\033[2J\\n' >&2; exit 4"),
            r"exited with status 4; last lines of its stderr: key *** | \u{1b}[2J",
        ),
        // Said at last, after the streams that count have ended.
        (
            piped("exec 0<&- 1>&-; sleep 0.1; echo late >&2; exit 5"),
            "exited with status 5; last lines of its stderr: late",
        ),
        // Somebody else holds stderr open.
        (
            piped("sleep 1000 & echo mine >&2; exit 6"),
            "exited with status 6; last lines of its stderr: mine",
        ),
        (
            piped("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2; exit 7"),
            "exited with status 7; last lines of its stderr: end",
        ),
    ] {
        let fixture = Fixture::new();
        let mut transport = fixture.spawn(options).await.unwrap();
        let ending = transport.ending();
        assert!(within(30, transport.receive()).await.is_none());
        let error = ending
            .explain(
                Error::new(Code::ConnectionLost, "Connection closed"),
                &CancellationToken::new(),
            )
            .await;
        assert_eq!(
            error.message,
            format!("Connection closed: its process {expected}")
        );
        let level = if expected == "exited with status 0" {
            Level::Info
        } else {
            Level::Warn
        };
        let logged = format!("[test] MCP server process {expected}");
        assert!(fixture.records.has(level, &logged), "{logged}");
    }
}

#[tokio::test]
async fn nothing_is_told_of_a_process_that_was_ended() {
    let fixture = Fixture::new();
    let mut transport = fixture
        .spawn(shell("trap 'exit 9' TERM; cat"))
        .await
        .unwrap();
    let ending = transport.ending();
    within(30, transport.close()).await.unwrap();
    let error = Error::new(Code::ConnectionLost, "Connection closed");
    let error = ending.explain(error, &CancellationToken::new()).await;
    assert_eq!(error.message, "Connection closed");
}

#[tokio::test]
async fn a_child_that_floods_ends_at_once() {
    for script in [
        // Neither looks at stdin.
        "exec yes garbage",
        "exec yes garbage >&2",
        "trap '' TERM; exec yes garbage",
        "trap '' TERM; exec yes garbage >&2",
    ] {
        let fixture = Fixture::new();
        let options = StdioOptions {
            stderr: Stderr::Pipe,
            max_line_bytes: LIMIT,
            ..shell(script)
        };
        let mut transport = fixture.spawn(options).await.unwrap();
        let pid = transport.pid().unwrap();
        let flood = timeout(Duration::from_millis(300), transport.receive());
        assert!(flood.await.is_err(), "nothing of it is a message");
        within(30, transport.close()).await.unwrap();
        drop(transport);
        assert_eq!(state(pid), None);
        eventually(|| fixture.records.has(Level::Warn, "were dropped")).await;
        let lines = fixture.records.0.lock().len();
        assert!(lines < 2000, "{lines}");
    }
}

#[tokio::test]
async fn secrets_on_stdout_are_not_logged() {
    let fixture = Fixture::new();
    let options = StdioOptions {
        secrets: SentSecrets::from(vec!["s3cret-of-the-child".into()]),
        ..shell("echo using s3cret-of-the-child now")
    };
    let mut transport = fixture.spawn(options).await.unwrap();
    assert!(within(30, transport.receive()).await.is_none());
    assert!(fixture.records.has(Level::Warn, "using *** now"));
}

#[tokio::test]
async fn a_child_that_ignores_everything_is_killed() {
    let fixture = Fixture::new();
    let file = fixture.folder.file("pid");
    let options = StdioOptions {
        env: vec![("OUT".to_owned(), file.clone())],
        ..shell("trap '' TERM; echo $$ > \"$OUT\"; while :; do sleep 1; done")
    };
    let mut transport = fixture.spawn(options).await.unwrap();
    let pid = transport.pid().unwrap();
    eventually(|| pid_in(&file).is_some()).await;
    let started = Instant::now();
    within(30, transport.close()).await.unwrap();
    assert!(
        started.elapsed() > Duration::from_secs(3),
        "asked twice first"
    );
    assert_eq!(state(pid), None);
    assert!(transport.receive().await.is_none());
    let error = transport.send(message(1, &json!(1))).await.unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost);
}

#[tokio::test]
async fn the_whole_group_ends() {
    // Grandchildren ignore stdin and, in the second case, SIGTERM; in the third the leader has left them behind.
    for script in [
        "sleep 1000 & echo $! > \"$OUT\"; cat > /dev/null",
        "sh -c 'trap \"\" TERM; echo $$ > \"$OUT\"; while :; do sleep 0.1; done' & cat > /dev/null",
        "sleep 1000 & echo $! > \"$OUT\"",
    ] {
        let fixture = Fixture::new();
        let file = fixture.folder.file("pid");
        let options = StdioOptions {
            env: vec![("OUT".to_owned(), file.clone())],
            ..shell(script)
        };
        let mut transport = fixture.spawn(options).await.unwrap();
        eventually(|| pid_in(&file).is_some()).await;
        let grandchild = pid_in(&file).unwrap();
        if script.contains("cat") {
            transport.close().await.unwrap();
        } else {
            // The grandchild holds stdout open.
            assert!(within(30, transport.receive()).await.is_none());
        }
        eventually(|| is_dead(grandchild)).await;
        eventually(|| fixture.children.count() == 0).await;
    }
}

#[tokio::test]
async fn a_dropped_transport_ends_its_child() {
    let fixture = Fixture::new();
    let transport = fixture.spawn(shell("exec sleep 1000")).await.unwrap();
    let pid = transport.pid().unwrap();
    drop(transport);
    eventually(|| state(pid).is_none()).await;
    eventually(|| fixture.children.count() == 0).await;
}

#[test]
fn a_child_does_not_outlive_its_runtime() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let transport = runtime
        .block_on(fixture.spawn(shell("exec sleep 1000")))
        .unwrap();
    let pid = transport.pid().unwrap();
    drop(runtime);
    drop(transport);
    drop(fixture);
    assert_eq!(state(pid), None);
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let fixture = Arc::new(Fixture::new());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (handle, shared) = (runtime.handle().clone(), Arc::clone(&fixture));
    let transport = std::thread::spawn(move || {
        handle
            .block_on(shared.spawn(shell("exec sleep 1000")))
            .unwrap()
    })
    .join()
    .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!is_dead(transport.pid().unwrap()));
    fixture.children.kill_all();
}

#[tokio::test]
async fn kill_all_ends_everything_at_once() {
    let fixture = Fixture::new();
    let mut transports = Vec::new();
    for script in [
        "exec sleep 1000",
        "trap '' TERM; echo ready; while :; do sleep 0.1; done",
    ] {
        transports.push(fixture.spawn(shell(script)).await.unwrap());
    }
    sleep(Duration::from_millis(200)).await;
    assert_eq!(fixture.children.count(), 2);
    // This runtime has one thread, so nothing else runs meanwhile.
    fixture.children.kill_all();
    for transport in &transports {
        assert_eq!(state(transport.pid().unwrap()), None);
    }
    assert_eq!(fixture.children.count(), 0);
    for transport in &mut transports {
        assert!(within(30, transport.receive()).await.is_none());
        within(30, transport.close()).await.unwrap();
    }
    let error = fixture.spawn(shell("true")).await.err().unwrap();
    assert_eq!(error.code, Code::Closed);
}

#[tokio::test]
async fn a_child_that_does_not_read_holds_up_nothing() {
    let fixture = Fixture::new();
    let mut transport = fixture
        .spawn(shell(
            "echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}'; exec sleep 1000",
        ))
        .await
        .unwrap();
    let big = json!("x".repeat(64 * 1024));
    let mut waiting = Vec::new();
    for id in 0..50 {
        let mut send = Box::pin(transport.send(message(id, &big)));
        let outcome = timeout(Duration::from_millis(5), &mut send).await;
        if id > 2 {
            assert!(outcome.is_err(), "{id}: {outcome:?}");
        }
        waiting.push(send);
    }
    assert!(matches!(
        within(30, transport.receive()).await,
        Some(ServerJsonRpcMessage::Response(_))
    ));
    within(30, transport.close()).await.unwrap();
    for send in waiting.into_iter().skip(3) {
        assert_eq!(send.await.unwrap_err().code, Code::ConnectionLost);
    }
}

#[tokio::test]
async fn a_withdrawn_message_is_not_written() {
    let fixture = Fixture::new();
    let mut transport = fixture.spawn(shell("sleep 0.5; exec cat")).await.unwrap();
    let first = transport.send(message(0, &json!("x".repeat(256 * 1024))));
    let first = tokio::spawn(first);
    sleep(Duration::from_millis(50)).await;
    drop(transport.send(message(1, &json!("withdrawn"))));
    let last = transport.send(message(2, &json!("last")));
    let receive = async {
        let mut ids = Vec::new();
        while ids.len() < 2 {
            match transport.receive().await {
                Some(ServerJsonRpcMessage::Request(request)) => ids.push(request.id),
                other => panic!("{other:?}"),
            }
        }
        ids
    };
    let (ids, sent) = within(30, async { tokio::join!(receive, last) }).await;
    sent.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(ids, [RequestId::Number(0), RequestId::Number(2)]);
    transport.close().await.unwrap();
}

/// Not a test by itself: what `a_killed_parent_takes_its_child_along` runs in a process of its own.
#[test]
fn helper_parent() {
    if std::env::var_os("MCP_STDIO_HELPER").is_none() {
        return;
    }
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let transport = runtime
        .block_on(fixture.spawn(shell("exec sleep 1000")))
        .unwrap();
    // This process is about to be killed, which leaves it no time to tidy up.
    drop(fixture.folder);
    println!("\nchild {}", transport.pid().unwrap());
    std::thread::sleep(Duration::from_mins(1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_parent_takes_its_child_along() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_parent", "--nocapture"])
        .env("MCP_STDIO_HELPER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child: u32 = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("child ")?.parse().ok())
        .unwrap();
    assert!(!is_dead(child));
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually(|| is_dead(child)).await;
}
