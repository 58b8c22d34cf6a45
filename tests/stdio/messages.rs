//! What is read of a process, and what is not.

use std::path::Path;

use librechat_mcp_native::host::Level;
use librechat_mcp_native::transport::stdio::{Stderr, StdioOptions};
use serde_json::json;

use crate::fixture::{Fixture, eventually};

#[tokio::test]
async fn environment_folder_and_arguments() {
    let fixture = Fixture::new();
    let mut options = fixture.server();
    options.args.push("a b; $PATH".to_owned());
    options.env = vec![("CONFIGURED".to_owned(), "yes".to_owned())];
    options.cwd = Some(fixture.folder.file(""));
    let mut client = fixture.client(options).await;
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
    let mut client = fixture.client(fixture.server()).await;
    let result = client.call("garbage", json!({})).await.unwrap();
    assert_eq!(result, "after garbage");
    assert!(fixture.records.has(Level::Warn, "not JSON"));
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
    let mut client = fixture.client(fixture.server()).await;
    assert_eq!(client.call("split", json!({})).await.unwrap(), "grüße ✓");
    assert_eq!(client.call("batch", json!({})).await.unwrap(), "batched");
    client.close().await;
}

#[tokio::test]
async fn an_oversized_answer_fails_its_request_and_nothing_else() {
    let fixture = Fixture::new();
    let mut client = fixture.client(fixture.server()).await;
    // The id comes last; with other requests pending, it decides.
    let never = client.spawned.send(999, "x/never", &json!({}));
    never.await.unwrap();
    for name in ["big", "idFirst", "big"] {
        let error = client.call(name, json!({})).await.unwrap_err();
        assert!(
            error.starts_with(
                "MCP error -32000: [MCP] MCP response contained an oversized line (lineLimit=1048576 bytes, observedLine="
            ),
            "{error}"
        );
        let echoed = client.call("echo", json!({ "value": name })).await;
        assert_eq!(echoed.unwrap(), name);
    }
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
        let mut client = fixture.client(options).await;
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
            assert!((200..1000).contains(&lines()), "{}", lines());
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
