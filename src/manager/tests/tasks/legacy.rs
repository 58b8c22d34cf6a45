//! Tasks of 2025-11-25.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::world::of_user;
use super::server::{HOUR, MINUTE, call, legacy, options};
use crate::connection::{Params, TaskCall};
use crate::error::Code;

#[tokio::test(start_paused = true)]
async fn a_tool_that_must_run_as_a_task_is_asked_to() {
    let started = Instant::now();
    let (world, asked) = legacy(move |server, method, params| {
        let status = if started.elapsed() < HOUR {
            "working"
        } else {
            "completed"
        };
        let task = json!({ "taskId": "t", "status": status, "ttl": null, "pollInterval": 60_000 });
        match method {
            "tools/call" => Some(json!({ "result": { "task": task } })),
            "tasks/get" => {
                let progress = json!({ "progressToken": 2, "progress": 7, "message": "digging" });
                server.notify("notifications/progress", &progress);
                Some(json!({ "result": task }))
            }
            "tasks/result" => Some(json!({ "result": {
                "content": [], "_meta": { "io.modelcontextprotocol/related-task": { "taskId": params["taskId"] } },
            } })),
            _ => None,
        }
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let mut options = options();
    let messages = Arc::<Mutex<Vec<Option<String>>>>::default();
    let heard = Arc::clone(&messages);
    if let Some(progress) = &mut options.progress {
        progress.sink = Some(Arc::new(move |it| heard.lock().push(it.message.clone())));
    }
    let answer = call(&lease, &options, &mut TaskCall::default()).await;
    assert_eq!(answer.unwrap()["content"], json!([]));
    let called = asked.of("tools/call");
    assert_eq!(
        (called.len(), &called[0]["task"]["ttl"]),
        (1, &json!(86_400_000))
    );
    assert_eq!(called[0]["_meta"]["progressToken"], 2);
    assert_eq!(
        (asked.of("tools/list").len(), asked.of("tasks/get").len()),
        (1, 60)
    );
    assert_eq!(messages.lock().len(), 60);
    assert_eq!(messages.lock()[0].as_deref(), Some("digging"));
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_may_run_as_a_task_does_for_a_caller_who_wants_the_handle() {
    for wants_handle in [false, true] {
        let (world, asked) = legacy(|_, method, _| match method {
            "tools/call" => Some(json!({ "result": { "content": [] } })),
            _ => None,
        });
        let lease = world.acquire(&of_user("ada")).await.unwrap();
        let mut task = TaskCall::default();
        if wants_handle {
            task = TaskCall::handing_out(Arc::new(|_| {}), Vec::new());
        }
        let params = Params::Tool {
            name: "peek",
            arguments: None,
        };
        // The server answers at once nevertheless.
        let options = options();
        let answer = lease.connection().call_tool(params, &options, &mut task);
        assert_eq!(answer.await.unwrap().get(), r#"{"content":[]}"#);
        assert_eq!(
            asked.of("tools/call")[0].get("task").is_some(),
            wants_handle
        );
        assert!(!task.is_running());
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_task_is_refused() {
    let (world, _) = legacy(|_, method, _| {
        let task = json!({ "taskId": "t", "status": "completed" });
        match method {
            "tools/call" => Some(json!({ "result": { "task": task } })),
            "tasks/get" => Some(json!({ "result": task })),
            "tasks/result" => Some(json!({ "result": {
                "content": [], "_meta": { "io.modelcontextprotocol/related-task": { "taskId": "other" } },
            } })),
            _ => None,
        }
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let error = call(&lease, &options(), &mut TaskCall::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::InvalidResponse);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_wants_input_is_waited_for_while_it_does() {
    let started = Instant::now();
    let (world, asked) = legacy(move |_, method, _| {
        let status = match started.elapsed() {
            at if at < 10 * MINUTE => "input_required",
            at if at < 20 * MINUTE => "working",
            _ => "failed",
        };
        let task = json!({ "taskId": "t", "status": status, "statusMessage": status });
        match method {
            "tools/call" => Some(json!({ "result": { "task": task } })),
            "tasks/get" => Some(json!({ "result": task })),
            "tasks/result" if status == "failed" => {
                Some(json!({ "error": { "code": -32603, "message": "no result" } }))
            }
            // It answers when the task has ended.
            "tasks/result" => Some(Value::Null),
            _ => None,
        }
    });
    let lease = world.acquire(&of_user("ada")).await.unwrap();
    let error = call(&lease, &options(), &mut TaskCall::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ServerError);
    assert_eq!(error.message, "MCP error -32603: no result (failed)");
    assert_eq!(asked.of("tasks/result").len(), 2);
}
