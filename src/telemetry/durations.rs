//! How long callers' requests take, by method, server and outcome: `mcp.client.operation.duration` of OpenTelemetry's
//! conventions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::OK;
use super::family::Histogram;
use super::prometheus::Text;

const NAME: &str = "mcp_client_operation_duration_seconds";
/// How many methods, servers and outcomes get a histogram of their own. What comes after them is counted with the servers
/// that have no label.
const SERIES: usize = 2000;

/// The method, the server and the outcome.
type Key = (&'static str, Arc<str>, &'static str);

#[derive(Default)]
pub(super) struct Durations(Mutex<BTreeMap<Key, Histogram>>);

impl Durations {
    /// `other` is what servers without a label of their own are called.
    pub fn observe(&self, mut key: Key, duration: Duration, other: &str) {
        let mut all = self.0.lock();
        if all.len() >= SERIES && !all.contains_key(&key) {
            key.1 = Arc::from(other);
        }
        all.entry(key).or_default().observe(duration);
    }

    pub fn write(&self, text: &mut Text) {
        text.head(
            NAME,
            "histogram",
            "Requests of callers, connecting included; error_type is empty for those that went well.",
        );
        for ((method, server, outcome), histogram) in &*self.0.lock() {
            let error = if *outcome == OK { "" } else { outcome };
            let labels = [
                ("mcp_method_name", *method),
                ("server", server),
                ("error_type", error),
            ];
            text.histogram(NAME, &labels, histogram);
        }
    }

    /// `{ count, seconds }` by server, method and outcome.
    pub fn to_value(&self) -> Value {
        let mut servers = Value::Object(Map::new());
        for ((method, server, outcome), histogram) in &*self.0.lock() {
            servers[&**server][*method][*outcome] = histogram.to_value();
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded() {
        let durations = Durations::default();
        let time = |server: &str, outcome| {
            let key = ("ping", Arc::from(server), outcome);
            durations.observe(key, Duration::from_millis(15), "_other");
        };
        for number in 0..SERIES + 50 {
            time(&number.to_string(), OK);
        }
        time("0", OK);
        time("1", "MCP_TIMEOUT");
        let mut text = Text::default();
        durations.write(&mut text);
        let lines: Vec<_> = text.0.lines().collect();
        let counts = lines
            .iter()
            .filter(|line| line.starts_with(&format!("{NAME}_count{{")));
        assert_eq!(counts.count(), SERIES + 2);
        for (line, server, error, count) in [
            ("_count", "0", "", "2"),
            ("_count", "_other", "", "50"),
            ("_count", "_other", "MCP_TIMEOUT", "1"),
        ] {
            let labels =
                format!(r#"{{mcp_method_name="ping",server="{server}",error_type="{error}"}}"#);
            let line = format!("{NAME}{line}{labels} {count}");
            assert!(lines.contains(&line.as_str()), "{line}");
        }
    }

    #[test]
    fn objects_have_each_outcome_once() {
        let durations = Durations::default();
        for outcome in [OK, OK, "MCP_TIMEOUT"] {
            let key = ("tools/call", Arc::from("srv"), outcome);
            durations.observe(key, Duration::from_millis(500), "_other");
        }
        assert_eq!(
            durations.to_value(),
            serde_json::json!({ "srv": { "tools/call": {
                "ok": { "count": 2, "seconds": 1.0 },
                "MCP_TIMEOUT": { "count": 1, "seconds": 0.5 },
            } } })
        );
    }
}
