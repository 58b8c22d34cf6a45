//! The counters of one runtime.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::durations::Durations;
use super::family::{Family, Histogram};
use super::prometheus::Text;
use super::queues::{self, Queued, Waits};
use super::{Kind, Operation};

/// Server names that are labels of their own; users may configure any number of servers.
const SERVERS: usize = 500;
/// All other servers.
const OTHER: &str = "_other";
const TRANSPORTS: [&str; 4] = ["stdio", "streamable-http", "sse", "websocket"];

/// Bytes of JSON-RPC messages over one kind of transport.
#[derive(Default)]
pub struct Traffic {
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

impl Traffic {
    pub fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What is not counted but there, at the moment.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Transport, state and number.
    pub connections: Vec<(&'static str, &'static str, u64)>,
    /// Users with connections of their own.
    pub users: u64,
    pub breakers_open: u64,
    pub breakers_closed: u64,
    /// Those that are open, by server.
    pub blocked: BTreeMap<Arc<str>, u64>,
    /// Servers with limits and calls.
    pub queues: BTreeMap<Arc<str>, Queued>,
}

pub struct Metrics {
    servers: Mutex<HashSet<Arc<str>>>,
    reinits: Family<1>,
    connects: Family<3>,
    disconnects: Family<2>,
    tool_calls: Family<2>,
    tool_call_seconds: Histogram,
    waits: Waits,
    results_cut: Family<2>,
    tool_changes: Family<2>,
    operations: Durations,
    token_refreshes: Family<2>,
    obo_lookups: Family<1>,
    obo_exchanges: Family<2>,
    obo_exchange_seconds: Histogram,
    callback_failures: Family<1>,
    traffic: [Arc<Traffic>; TRANSPORTS.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            servers: Mutex::default(),
            reinits: Family::new(
                "librechat_mcp_reinits_total",
                "Calls of reinitMCPServer: ok, the failureReason, or undefined.",
                ["outcome"],
            ),
            connects: Family::new(
                "librechat_mcp_connects_total",
                "Attempts to connect: ok, or the error code.",
                ["server", "transport", "outcome"],
            ),
            disconnects: Family::new(
                "librechat_mcp_disconnects_total",
                "Connections that ended: closed, or lost.",
                ["server", "outcome"],
            ),
            tool_calls: Family::new(
                "librechat_mcp_tool_calls_total",
                "Tool calls: ok, tool_error (isError), or the error code.",
                ["server", "outcome"],
            ),
            tool_call_seconds: Histogram::default(),
            waits: Waits::default(),
            results_cut: Family::new(
                "librechat_mcp_results_cut_total",
                "Results larger than maxResultBytes: cut, or kept as a resource.",
                ["server", "how"],
            ),
            tool_changes: Family::new(
                "librechat_mcp_tool_changes_total",
                "Tools that were not as they were approved (pinTools): new, changed or removed.",
                ["server", "change"],
            ),
            operations: Durations::default(),
            token_refreshes: Family::new(
                "librechat_mcp_oauth_refreshes_total",
                "OAuth token refreshes: ok, or the error code.",
                ["server", "outcome"],
            ),
            obo_lookups: Family::new(
                "librechat_mcp_obo_cache_lookups_total",
                "Lookups of exchanged tokens: hit, shared_hit (the host's cache), or miss.",
                ["result"],
            ),
            obo_exchanges: Family::new(
                "librechat_mcp_obo_exchanges_total",
                "On-behalf-of exchanges: ok, or the error code.",
                ["server", "outcome"],
            ),
            obo_exchange_seconds: Histogram::default(),
            callback_failures: Family::new(
                "librechat_mcp_callback_failures_total",
                "Failures of host callbacks that fail no call, and lost records of the audit.",
                ["callback"],
            ),
            traffic: Default::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn count(&self, operation: &Operation) {
        let outcome = || Arc::from(operation.outcome);
        let server = || self.server(&operation.server_name);
        match operation.kind {
            Kind::Reinit => self.reinits.add([outcome()]),
            Kind::Connect => {
                let transport = Arc::from(operation.transport.unwrap_or_default());
                self.connects.add([server(), transport, outcome()]);
            }
            Kind::Disconnect => self.disconnects.add([server(), outcome()]),
            Kind::ToolCall => {
                let server = server();
                self.tool_calls.add([Arc::clone(&server), outcome()]);
                self.tool_call_seconds.observe(operation.duration);
                self.time(server, operation);
            }
            Kind::Request => self.time(server(), operation),
            Kind::TokenRefresh => self.token_refreshes.add([server(), outcome()]),
            Kind::TokenExchange => {
                self.obo_exchanges.add([server(), outcome()]);
                self.obo_exchange_seconds.observe(operation.duration);
            }
        }
    }

    fn time(&self, server: Arc<str>, operation: &Operation) {
        let key = (operation.method, server, operation.outcome);
        self.operations.observe(key, operation.duration, OTHER);
    }

    /// Counts how long a call has waited for its turn.
    pub fn waited(&self, server_name: &str, waited: Duration) {
        self.waits.add(self.server(server_name), waited);
    }

    /// Counts a result that was given in part: `cut`, or kept as a `resource`.
    pub fn cut_result(&self, server_name: &str, how: &'static str) {
        self.results_cut
            .add([self.server(server_name), Arc::from(how)]);
    }

    /// Counts a tool that is not as it was approved: `new`, `changed` or `removed`.
    pub fn tools_changed(&self, server_name: &str, change: &'static str) {
        let server = self.server(server_name);
        self.tool_changes.add([server, Arc::from(change)]);
    }

    /// Counts a lookup of an exchanged token: `hit`, `shared_hit` or `miss`.
    pub fn looked_up(&self, result: &'static str) {
        self.obo_lookups.add([Arc::from(result)]);
    }

    /// Counts a failure of a callback of the host, and says whether it is its first.
    pub fn callback_failed(&self, callback: &'static str) -> bool {
        self.callback_failures.count([Arc::from(callback)]) == 1
    }

    /// Where the bytes of a transport are counted.
    #[must_use]
    pub fn traffic(&self, transport: &str) -> Arc<Traffic> {
        let known = TRANSPORTS.iter().position(|known| *known == transport);
        Arc::clone(&self.traffic[known.unwrap_or_default()])
    }

    /// The label of a server.
    pub(crate) fn server(&self, name: &str) -> Arc<str> {
        let mut known = self.servers.lock();
        if let Some(name) = known.get(name) {
            return Arc::clone(name);
        }
        let name = if known.len() < SERVERS { name } else { OTHER };
        let name: Arc<str> = Arc::from(name);
        known.insert(Arc::clone(&name));
        name
    }

    fn bytes(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        TRANSPORTS
            .into_iter()
            .zip(&self.traffic)
            .map(|(transport, traffic)| {
                (
                    transport,
                    traffic.sent.load(Ordering::Relaxed),
                    traffic.received.load(Ordering::Relaxed),
                )
            })
    }

    /// Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn to_text(&self, gauges: &Gauges) -> String {
        let mut text = Text::default();
        text.head(
            "librechat_mcp_connections",
            "gauge",
            "Connections and attempts by transport and state.",
        );
        for (transport, state, number) in &gauges.connections {
            let labels = [("transport", *transport), ("state", *state)];
            text.sample("librechat_mcp_connections", &labels, *number);
        }
        text.head(
            "librechat_mcp_users",
            "gauge",
            "Users with connections of their own.",
        );
        text.sample("librechat_mcp_users", &[], gauges.users);
        text.head(
            "librechat_mcp_breakers",
            "gauge",
            "Circuit breakers of connections that failed or reconnected lately.",
        );
        for (state, number) in [
            ("open", gauges.breakers_open),
            ("closed", gauges.breakers_closed),
        ] {
            text.sample("librechat_mcp_breakers", &[("state", state)], number);
        }
        let (name, help) = (
            "librechat_mcp_breakers_open",
            "Circuit breakers that refuse attempts, by server.",
        );
        text.head(name, "gauge", help);
        for (server, number) in &gauges.blocked {
            text.sample(name, &[("server", server)], number);
        }
        text.family(&self.reinits);
        text.family(&self.connects);
        text.family(&self.disconnects);
        text.family(&self.tool_calls);
        let (name, help) = (
            "librechat_mcp_tool_call_duration_seconds",
            "Duration of tool calls, connecting included.",
        );
        text.head(name, "histogram", help);
        text.histogram(name, &[], &self.tool_call_seconds);
        queues::write(&mut text, &gauges.queues, &self.waits);
        text.family(&self.tool_changes);
        self.operations.write(&mut text);
        text.family(&self.results_cut);
        text.family(&self.token_refreshes);
        text.family(&self.obo_lookups);
        text.family(&self.obo_exchanges);
        let (name, help) = (
            "librechat_mcp_obo_exchange_duration_seconds",
            "Duration of on-behalf-of exchanges, a retry included.",
        );
        text.head(name, "histogram", help);
        text.histogram(name, &[], &self.obo_exchange_seconds);
        text.family(&self.callback_failures);
        let (name, help) = (
            "librechat_mcp_bytes_total",
            "Bytes of JSON-RPC messages, without the headers of transports.",
        );
        text.head(name, "counter", help);
        for (transport, sent, received) in self.bytes() {
            for (direction, bytes) in [("sent", sent), ("received", received)] {
                text.sample(
                    name,
                    &[("transport", transport), ("direction", direction)],
                    bytes,
                );
            }
        }
        text.0
    }

    /// The same as an object.
    #[must_use]
    pub fn to_value(&self, gauges: &Gauges) -> Value {
        let mut connections = Map::new();
        for (transport, state, number) in &gauges.connections {
            let states = connections
                .entry(*transport)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(states) = states {
                states.insert((*state).to_owned(), (*number).into());
            }
        }
        let bytes: Map<_, _> = self
            .bytes()
            .map(|(transport, sent, received)| {
                let both = json!({ "sent": sent, "received": received });
                (transport.to_owned(), both)
            })
            .collect();
        json!({
            "connections": connections,
            "users": gauges.users,
            "breakers": {
                "open": gauges.breakers_open,
                "closed": gauges.breakers_closed,
                "openByServer": by_server(&gauges.blocked),
            },
            "reinits": self.reinits.to_value(),
            "connects": self.connects.to_value(),
            "disconnects": self.disconnects.to_value(),
            "toolCalls": self.tool_calls.to_value(),
            "toolCallDuration": self.tool_call_seconds.to_value(),
            "queues": queues::to_value(&gauges.queues),
            "toolChanges": self.tool_changes.to_value(),
            "operations": self.operations.to_value(),
            "resultsCut": self.results_cut.to_value(),
            "oauthRefreshes": self.token_refreshes.to_value(),
            "oboCacheLookups": self.obo_lookups.to_value(),
            "oboExchanges": self.obo_exchanges.to_value(),
            "oboExchangeDuration": self.obo_exchange_seconds.to_value(),
            "callbackFailures": self.callback_failures.to_value(),
            "bytes": bytes,
        })
    }
}

fn by_server(numbers: &BTreeMap<Arc<str>, u64>) -> Map<String, Value> {
    let numbers = numbers.iter();
    numbers
        .map(|(server, number)| (server.to_string(), (*number).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{OK, Started};
    use super::*;

    #[test]
    fn labels_are_bounded_and_escaped() {
        let metrics = Metrics::default();
        for number in 0..SERVERS + 50 {
            let call = Started::now(Kind::ToolCall, &format!("s\"{number}\\\n"), None);
            metrics.count(&call.ended(OK, false));
        }
        let text = metrics.to_text(&Gauges::default());
        let calls = |line: &&str| line.starts_with("librechat_mcp_tool_calls_total{");
        assert_eq!(text.lines().filter(calls).count(), SERVERS + 1);
        assert!(text.contains(r#"tool_calls_total{server="_other",outcome="ok"} 50"#));
        assert!(text.contains(r#"tool_calls_total{server="s\"7\\\n",outcome="ok"} 1"#));
    }

    #[test]
    fn histograms_are_cumulative() {
        let metrics = Metrics::default();
        for milliseconds in [1, 40, 40, 60_000] {
            let exchange = Started::now(Kind::TokenExchange, "", None).ended(OK, false);
            metrics.count(&Operation {
                duration: Duration::from_millis(milliseconds),
                ..exchange
            });
        }
        let text = metrics.to_text(&Gauges::default());
        for line in [
            r#"librechat_mcp_obo_exchange_duration_seconds_bucket{le="0.01"} 1"#,
            r#"librechat_mcp_obo_exchange_duration_seconds_bucket{le="0.05"} 3"#,
            r#"librechat_mcp_obo_exchange_duration_seconds_bucket{le="30"} 3"#,
            r#"librechat_mcp_obo_exchange_duration_seconds_bucket{le="+Inf"} 4"#,
            "librechat_mcp_obo_exchange_duration_seconds_sum 60.081",
            "librechat_mcp_obo_exchange_duration_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
