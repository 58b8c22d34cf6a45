//! Calls that wait for their turn, by server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::prometheus::Text;

const WAITS: &str = "librechat_mcp_call_wait_seconds_total";

/// The calls of a server with limits, at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    pub running: u64,
    pub waiting: u64,
    /// Users with calls that run or wait.
    pub users: u64,
    /// How long the call has waited that has waited longest.
    pub oldest: Duration,
}

impl Queued {
    /// Servers that share a name, or a label, are one.
    pub fn add(&mut self, other: Self) {
        self.running += other.running;
        self.waiting += other.waiting;
        self.users += other.users;
        self.oldest = self.oldest.max(other.oldest);
    }
}

/// How long calls have waited altogether.
#[derive(Default)]
pub(super) struct Waits(Mutex<BTreeMap<Arc<str>, Duration>>);

impl Waits {
    pub fn add(&self, server: Arc<str>, waited: Duration) {
        *self.0.lock().entry(server).or_default() += waited;
    }
}

pub(super) fn write(text: &mut Text, queues: &BTreeMap<Arc<str>, Queued>, waits: &Waits) {
    let mut gauge = |name, help, read: fn(&Queued) -> u64| {
        text.head(name, "gauge", help);
        for (server, queue) in queues {
            text.sample(name, &[("server", server)], read(queue));
        }
    };
    gauge(
        "librechat_mcp_calls_running",
        "Calls under way to servers with limits.",
        |queue| queue.running,
    );
    gauge(
        "librechat_mcp_calls_waiting",
        "Calls that wait for their turn.",
        |queue| queue.waiting,
    );
    text.head(
        WAITS,
        "counter",
        "How long calls have waited for their turn.",
    );
    for (server, waited) in &*waits.0.lock() {
        text.sample(WAITS, &[("server", server)], waited.as_secs_f64());
    }
}

/// `{ running, waiting, users, oldestMs }` by server.
pub(super) fn to_value(queues: &BTreeMap<Arc<str>, Queued>) -> Value {
    let mut servers = Map::new();
    for (server, queue) in queues {
        let oldest = u64::try_from(queue.oldest.as_millis()).unwrap_or(u64::MAX);
        let value = json!({
            "running": queue.running,
            "waiting": queue.waiting,
            "users": queue.users,
            "oldestMs": oldest,
        });
        servers.insert(server.to_string(), value);
    }
    Value::Object(servers)
}
