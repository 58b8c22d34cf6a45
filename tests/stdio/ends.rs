//! How a process ends, and what is left of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use librechat_mcp_native::error::{Code, Error};
use librechat_mcp_native::foreign_text::SentSecrets;
use librechat_mcp_native::host::Level;
use librechat_mcp_native::transport::stdio::{Stderr, StdioOptions};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, LIMIT, eventually, is_dead, pid_in, shell, state, within};

#[tokio::test]
async fn an_exit_ends_the_connection() {
    let fixture = Fixture::new();
    let mut client = fixture.client(fixture.server()).await;
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
    assert!(within(30, client.spawned.receive()).await.is_none());
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
    let transport = fixture
        .spawn(shell("trap 'exit 9' TERM; cat"))
        .await
        .unwrap();
    let ending = transport.ending();
    within(30, transport.close()).await;
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
        within(30, transport.close()).await;
        drop(transport);
        assert_eq!(state(pid), None);
        eventually(|| fixture.records.has(Level::Warn, "were dropped")).await;
        let lines = fixture.records.0.lock().len();
        assert!(lines < 2000, "{lines}");
    }
}

#[tokio::test]
async fn a_child_that_ignores_everything_is_killed() {
    let fixture = Fixture::new();
    let file = fixture.folder.file("pid");
    let options = StdioOptions {
        env: vec![("OUT".to_owned(), file.clone())],
        ..shell("trap '' TERM; echo $$ > \"$OUT\"; while :; do sleep 1; done")
    };
    let transport = fixture.spawn(options).await.unwrap();
    let pid = transport.pid().unwrap();
    eventually(|| pid_in(&file).is_some()).await;
    let started = Instant::now();
    within(30, transport.close()).await;
    assert!(
        started.elapsed() > Duration::from_secs(3),
        "asked twice first"
    );
    assert_eq!(state(pid), None);
    let error = transport.send(1, "x", &json!(1)).await.unwrap_err();
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
            transport.close().await;
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
        within(30, transport.close()).await;
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
        let mut send = Box::pin(transport.send(id, "x", &big));
        let outcome = timeout(Duration::from_millis(5), &mut send).await;
        if id > 2 {
            assert!(outcome.is_err(), "{id}: {outcome:?}");
        }
        waiting.push(send);
    }
    assert!(within(30, transport.receive()).await.is_some());
    within(30, transport.close()).await;
    for send in waiting.into_iter().skip(3) {
        assert_eq!(send.await.unwrap_err().code, Code::ConnectionLost);
    }
}

#[tokio::test]
async fn a_withdrawn_message_is_not_written() {
    let fixture = Fixture::new();
    let mut transport = fixture.spawn(shell("sleep 0.5; exec cat")).await.unwrap();
    let first = transport.send(0, "x", &json!("x".repeat(256 * 1024)));
    let first = tokio::spawn(first);
    sleep(Duration::from_millis(50)).await;
    let mut withdrawn = Box::pin(transport.send(1, "x", &json!("withdrawn")));
    assert!(futures::FutureExt::now_or_never(&mut withdrawn).is_none());
    drop(withdrawn);
    let last = transport.send(2, "x", &json!("last"));
    let receive = async {
        let mut ids = Vec::new();
        while ids.len() < 2 {
            ids.push(transport.receive().await.unwrap()["id"].clone());
        }
        ids
    };
    let (ids, sent) = within(30, async { tokio::join!(receive, last) }).await;
    sent.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(ids, [0, 2]);
    transport.close().await;
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
        .args(["--exact", "ends::helper_parent", "--nocapture"])
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
