//! Tasks since 2026-07-28.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::super::world::{of_user, settle};
use super::server::{HOUR, MINUTE, call, modern, options, working};
use crate::connection::{CallOptions, Caller, Generation, TaskCall, TaskHandle};
use crate::error::{Code, Error, Result};
use crate::host::{Notice, Peer, ServerRequest, ServerRequests};

#[tokio::test(start_paused = true)]
async fn a_tool_works_for_an_hour_although_no_request_lives_longer_than_a_minute() {
    let result = json!({ "content": [], "structuredContent": { "found": 1.5 }, "odd": [true] });
    let done = result.clone();
    let (world, asked) = modern(move |at| match at {
        at if at < HOUR => json!({ "status": "working", "pollIntervalMs": 30_000 }),
        _ => json!({ "status": "completed", "result": done }),
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let answer = call(&lease, &options(), &mut TaskCall::default()).await;
    assert_eq!(answer.unwrap(), result);
    assert_eq!(asked.of("tools/call").len(), 1);
    assert_eq!(asked.of("tasks/get").len(), 120);
    let meta = &asked.of("tools/call")[0]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(
        meta["extensions"]["io.modelcontextprotocol/tasks"],
        json!({})
    );
    assert!(asked.of("tasks/get")[0]["_meta"]["progressToken"].is_null());
    assert_eq!(asked.of("tasks/cancel").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_without_end_ends_with_the_call() {
    for interval in [json!(0), json!(-1), json!("no")] {
        let (world, asked) =
            modern(move |_| json!({ "status": "working", "pollIntervalMs": interval }));
        let lease = world.acquire(&of_user("ada")).await.unwrap();
        let options = CallOptions {
            deadline: Instant::now() + MINUTE,
            ..options()
        };
        let error = call(&lease, &options, &mut TaskCall::default())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::Timeout);
        assert!(asked.of("tasks/get").len() <= 600);
        assert_eq!(asked.of("tasks/cancel")[0]["taskId"], "t");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_with_its_lifetime() {
    let (world, _) = modern(|_| json!({ "status": "working", "ttlMs": 600_000 }));
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let error = call(&lease, &options(), &mut TaskCall::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Timeout);
    assert!(error.message.contains("600000 ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_handle_counts_the_lifetime_from_when_the_task_was_begun() {
    let (world, asked) = modern(|_| json!({ "status": "working", "ttlMs": 600_000 }));
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let mut handle = TaskHandle::from_json(&json!({
        "serverName": "files", "toolName": "dig", "taskId": "t", "protocolVersion": "2026-07-28", "createdAt": 0,
    }))
    .unwrap();
    let mut resumed = TaskCall::resuming(handle.clone(), Vec::new());
    let error = call(&lease, &options(), &mut resumed).await.unwrap_err();
    assert_eq!(error.code, Code::Timeout);
    // Somebody else may have the handle, too.
    assert_eq!(
        (asked.of("tasks/get").len(), asked.of("tasks/cancel").len()),
        (1, 0)
    );
    handle.generation = Generation::Initialize;
    let mut other = TaskCall::resuming(handle, Vec::new());
    let error = call(&lease, &options(), &mut other).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(asked.of("tools/call").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn how_a_task_ends_is_how_the_call_ends() {
    for (end, code, text) in [
        (
            json!({ "status": "failed", "error": { "code": -7, "message": "broke" } }),
            Code::ServerError,
            "MCP error -7: broke",
        ),
        (
            json!({ "status": "cancelled", "statusMessage": "not today" }),
            Code::ServerError,
            "not today",
        ),
        (
            json!({ "status": "completed" }),
            Code::InvalidResponse,
            "without a result",
        ),
        (
            json!({ "status": "completed", "result": "gold" }),
            Code::InvalidResponse,
            "a string",
        ),
        (
            json!({ "status": "completed", "result": { "resultType": "odd" } }),
            Code::InvalidResponse,
            "\"odd\"",
        ),
        (
            json!({ "status": "completed", "result": { "resultType": "task", "taskId": "u" } }),
            Code::InvalidResponse,
            "\"task\"",
        ),
        (
            json!({ "status": "working", "resultType": "task" }),
            Code::InvalidResponse,
            "\"task\"",
        ),
        (
            json!({ "status": "lost" }),
            Code::InvalidResponse,
            "otherwise than the protocol",
        ),
        (
            json!({ "status": "working", "taskId": "x" }),
            Code::InvalidResponse,
            "another task",
        ),
    ] {
        let status = end["status"].clone();
        let (world, asked) = modern(move |at| if at.is_zero() { working() } else { end.clone() });
        let lease = world.acquire(&of_user("ada")).await.unwrap();
        let error = call(&lease, &options(), &mut TaskCall::default())
            .await
            .unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(text), "{error}");
        assert_eq!(asked.of("tasks/get").len(), 1);
        // One that has ended needs no end.
        let has_ended = matches!(status.as_str(), Some("failed" | "cancelled" | "completed"));
        assert_eq!(asked.of("tasks/cancel").is_empty(), has_ended, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_the_task_and_a_closing_runtime_leaves_it_to_who_has_the_handle() {
    for (closes, cancelled) in [(false, 1), (true, 0)] {
        let (world, asked) = modern(|_| working());
        let lease = world.acquire(&of_user("ada")).await.unwrap();
        let (closing, options) = (CancellationToken::new(), options());
        let handles = Arc::<Mutex<Vec<TaskHandle>>>::default();
        let heard = Arc::clone(&handles);
        let sink = Arc::new(move |handle: &TaskHandle| heard.lock().push(handle.clone()));
        let mut task = TaskCall::handing_out(sink, vec![closing.clone()]);
        let calling = call(&lease, &options, &mut task);
        let ending = async {
            tokio::time::sleep(MINUTE).await;
            if closes {
                closing.cancel();
            }
            options.cancel.cancel();
        };
        let (outcome, ()) = tokio::join!(calling, ending);
        assert_eq!(outcome.unwrap_err().code, Code::Aborted);
        assert_eq!(asked.of("tasks/cancel").len(), cancelled);
        let handles = handles.lock();
        assert_eq!(handles.len(), 1);
        assert_eq!(
            (&*handles[0].server_name, &*handles[0].task_id),
            ("files", "t")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_outlives_its_connection() {
    let (world, asked) = modern(|at| match at {
        at if at < HOUR => working(),
        _ => json!({ "status": "completed", "result": { "content": [] } }),
    });
    let ada = of_user("ada");
    let lease = world.acquire(&ada).await.unwrap();
    let (mut task, options) = (TaskCall::default(), options());
    assert!(
        timeout(MINUTE, call(&lease, &options, &mut task))
            .await
            .is_err()
    );
    world.server(0).go_away();
    let lost = call(&lease, &options, &mut task).await.unwrap_err();
    assert_eq!(lost.code, Code::ConnectionLost);
    task.try_again(lost, &options).await.unwrap();
    drop(lease);
    settle().await;
    let lease = world.acquire(&ada).await.unwrap();
    let answer = call(&lease, &options, &mut task).await;
    assert_eq!(answer.unwrap(), json!({ "content": [] }));
    assert_eq!((asked.of("tools/call").len(), world.connected()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_longer_than_nothing_may_be_heard_ends_the_call() {
    let options = options();
    let mut none = TaskCall::default();
    let lost = || Error::new(Code::ConnectionLost, "lost");
    assert!(none.try_again(lost(), &options).await.is_err());
    let handle = json!({
        "serverName": "s", "toolName": "t", "taskId": "i", "protocolVersion": "2026-07-28", "createdAt": 0,
    });
    let handle = TaskHandle::from_json(&handle).unwrap();
    let mut task = TaskCall::resuming(handle, Vec::new());
    let refused = Error::new(Code::ServerError, "unknown task");
    assert!(task.try_again(refused, &options).await.is_err());
    let started = Instant::now();
    while task.try_again(lost(), &options).await.is_ok() {}
    let waited = started.elapsed();
    assert!(waited >= MINUTE && waited < 2 * MINUTE, "{waited:?}");
}

/// Answers every question after this time.
struct Slow(Mutex<Vec<Value>>, Duration);

#[async_trait]
impl ServerRequests for Slow {
    fn handles(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, _: &Peer, request: ServerRequest<'_>) -> Result<Value> {
        self.0.lock().push(request.params);
        tokio::time::sleep(self.1).await;
        Ok(json!({ "action": "accept", "content": { "sure": true } }))
    }

    fn notify(&self, _: &Peer, _: Notice) {}
}

fn asking(host: &Arc<Slow>) -> CallOptions {
    let peer = Peer {
        server_name: "files".to_owned(),
        user_id: None,
        tool_name: Some("dig".to_owned()),
    };
    CallOptions {
        caller: Some(Caller {
            peer,
            host: Some(Arc::clone(host) as _),
        }),
        ..options()
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_task_wants_to_know_is_asked_once_and_answered() {
    let question = json!({ "method": "elicitation/create", "params": { "message": "Sure?" } });
    let (world, asked) = modern(move |at| match at {
        // The server takes its time to see the answer.
        at if at < 20 * MINUTE => {
            json!({ "status": "input_required", "inputRequests": { "q": question } })
        }
        _ => json!({ "status": "completed", "result": { "content": [] } }),
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    // Longer than a request may take.
    let host = Arc::new(Slow(Mutex::default(), 10 * MINUTE));
    let answer = call(&lease, &asking(&host), &mut TaskCall::default()).await;
    assert_eq!(answer.unwrap(), json!({ "content": [] }));
    assert_eq!(*host.0.lock(), [json!({ "message": "Sure?" })]);
    let updates = asked.of("tasks/update");
    assert_eq!(updates.len(), 1);
    let given = json!({ "q": { "action": "accept", "content": { "sure": true } } });
    assert_eq!(
        (&updates[0]["taskId"], &updates[0]["inputResponses"]),
        (&json!("t"), &given)
    );
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_at_once_do_not_make_for_more_looks() {
    let (world, asked) = modern(|at| {
        let question = json!({ "method": "elicitation/create", "params": { "message": "Sure?" } });
        let questions = json!({ at.as_millis().to_string(): question });
        json!({ "status": "input_required", "pollIntervalMs": 0, "inputRequests": questions })
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let host = Arc::new(Slow(Mutex::default(), Duration::ZERO));
    let options = CallOptions {
        deadline: Instant::now() + MINUTE,
        ..asking(&host)
    };
    let error = call(&lease, &options, &mut TaskCall::default()).await;
    assert_eq!(error.unwrap_err().code, Code::Timeout);
    assert!(host.0.lock().len() > 100);
    assert!(asked.of("tasks/get").len() <= 600);
}

#[tokio::test(start_paused = true)]
async fn keys_of_questions_are_short() {
    for (bytes, is_asked) in [(1024, true), (1025, false)] {
        let (world, asked) = modern(move |_| {
            let question =
                json!({ "method": "elicitation/create", "params": { "message": "Sure?" } });
            let questions = json!({ "k".repeat(bytes): question });
            json!({ "status": "input_required", "inputRequests": questions })
        });
        let lease = world.acquire(&of_user("ada")).await.unwrap();
        let host = Arc::new(Slow(Mutex::default(), Duration::ZERO));
        let options = CallOptions {
            deadline: Instant::now() + MINUTE,
            ..asking(&host)
        };
        let error = call(&lease, &options, &mut TaskCall::default())
            .await
            .unwrap_err();
        assert_eq!(error.code == Code::Timeout, is_asked, "{error}");
        assert_eq!(host.0.lock().len(), usize::from(is_asked));
        assert_eq!(asked.of("tasks/cancel").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_disconnects_ends_the_call() {
    let (world, asked) = modern(|_| working());
    let ada = of_user("ada");
    let lease = world.acquire(&ada).await.unwrap();
    let (mut task, options) = (TaskCall::default(), options());
    let disconnecting = async {
        tokio::time::sleep(MINUTE).await;
        world.manager.disconnect(&ada.key).await;
    };
    let (outcome, ()) = tokio::join!(call(&lease, &options, &mut task), disconnecting);
    let error = outcome.unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost);
    assert!(task.try_again(error, &options).await.is_err());
    assert_eq!(asked.of("tools/call").len(), 1);
    assert_eq!(asked.of("tasks/cancel").len(), 1);
}
