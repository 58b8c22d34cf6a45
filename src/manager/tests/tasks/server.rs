//! Servers that answer tool calls with tasks.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::world::World;
use crate::connection::{CallOptions, Generation, MemoryServer, Params, Progress, TaskCall};
use crate::error::Result;
use crate::manager::Lease;

pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);

fn discovered() -> Value {
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
        "serverInfo": { "name": "memory", "version": "1" },
    })
}

/// A server of 2026-07-28 that has a task for every call.
pub fn modern(state: impl Fn(Duration) -> Value + Send + Sync + 'static) -> (World, Asked) {
    let (started, asked) = (Instant::now(), Asked::default());
    let told = asked.clone();
    let world = World::new().scripted(Generation::Discover, move |_, method, params| {
        told.push(method, params);
        let mut task = json!({ "taskId": "t", "resultType": "complete", "ttlMs": null });
        let now = state(started.elapsed());
        task.as_object_mut()
            .unwrap()
            .extend(now.as_object().unwrap().clone());
        match method {
            "server/discover" => Some(json!({ "result": discovered() })),
            "tools/call" => {
                task["resultType"] = json!("task");
                Some(json!({ "result": task }))
            }
            "tasks/get" => Some(json!({ "result": task })),
            _ => None,
        }
    });
    (world, asked)
}

/// One of 2025-11-25 whose only tool must run as a task.
pub fn legacy(
    script: impl Fn(&MemoryServer, &str, &Value) -> Option<Value> + Send + Sync + 'static,
) -> (World, Asked) {
    let asked = Asked::default();
    let told = asked.clone();
    let world = World::new().scripted(Generation::Initialize, move |server, method, params| {
        told.push(method, params);
        match method {
            "initialize" => Some(json!({ "result": {
                "protocolVersion": "2025-11-25", "serverInfo": { "name": "memory", "version": "1" },
                "capabilities": { "tools": {}, "tasks": { "cancel": {}, "requests": { "tools": { "call": {} } } } },
            } })),
            "tools/list" => Some(json!({ "result": { "tools": [
                { "name": "dig", "execution": { "taskSupport": "required" } },
                { "name": "peek", "execution": { "taskSupport": "optional" } },
            ] } })),
            _ => script(server, method, params),
        }
    });
    (world, asked)
}

/// What servers were asked.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Vec<(String, Value)>>>);

impl Asked {
    fn push(&self, method: &str, params: &Value) {
        self.0.lock().push((method.to_owned(), params.clone()));
    }

    /// The parameters of requests with this method.
    pub fn of(&self, method: &str) -> Vec<Value> {
        let asked = self.0.lock();
        let found = asked.iter().filter(|(asked, _)| asked == method);
        found.map(|(_, params)| params.clone()).collect()
    }
}

pub fn options() -> CallOptions {
    CallOptions {
        progress: Some(Progress {
            timeout: MINUTE,
            sink: None,
        }),
        ..CallOptions::new(Instant::now() + 24 * HOUR, CancellationToken::new())
    }
}

pub async fn call(lease: &Lease, options: &CallOptions, task: &mut TaskCall) -> Result<Value> {
    let params = Params::Tool {
        name: "dig",
        arguments: None,
    };
    let answer = lease.connection().call_tool(params, options, task).await?;
    Ok(serde_json::from_str(answer.get()).unwrap())
}

pub fn working() -> Value {
    json!({ "status": "working" })
}
