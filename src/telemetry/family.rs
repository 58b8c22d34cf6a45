//! Counters by labels, and a histogram.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

/// A counter for each combination of label values.
pub(super) struct Family<const LABELS: usize> {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: [&'static str; LABELS],
    counts: Mutex<BTreeMap<[Arc<str>; LABELS], u64>>,
}

impl<const LABELS: usize> Family<LABELS> {
    pub fn new(name: &'static str, help: &'static str, labels: [&'static str; LABELS]) -> Self {
        Self {
            name,
            help,
            labels,
            counts: Mutex::default(),
        }
    }

    pub fn add(&self, values: [Arc<str>; LABELS]) {
        self.count(values);
    }

    /// Adds one, and says how many there are.
    pub fn count(&self, values: [Arc<str>; LABELS]) -> u64 {
        let mut counts = self.counts.lock();
        let count = counts.entry(values).or_default();
        *count += 1;
        *count
    }

    pub fn counts(&self) -> Vec<([Arc<str>; LABELS], u64)> {
        let counts = self.counts.lock();
        counts
            .iter()
            .map(|(values, count)| (values.clone(), *count))
            .collect()
    }

    /// Objects within objects, by the values of the labels.
    pub fn to_value(&self) -> Value {
        let mut all = Map::new();
        for (values, count) in self.counts() {
            let Some((last, path)) = values.split_last() else {
                continue;
            };
            let mut place = &mut all;
            for value in path {
                let inner = place
                    .entry(value.to_string())
                    .or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(inner) = inner else {
                    return Value::Null;
                };
                place = inner;
            }
            place.insert(last.to_string(), count.into());
        }
        Value::Object(all)
    }
}

/// Upper bounds in seconds: those of OpenTelemetry's conventions for MCP.
pub(super) const BUCKETS: [f64; 14] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// Durations by size.
#[derive(Default)]
pub(super) struct Histogram {
    /// One more than there are bounds: what is longer than all of them.
    counts: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(BUCKETS.len())].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// How many were at most as long as each bound; the last is all of them.
    pub fn cumulative(&self) -> [u64; BUCKETS.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|bucket| {
            sum += self.counts[bucket].load(Ordering::Relaxed);
            sum
        })
    }

    pub fn seconds(&self) -> f64 {
        Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// `{ count, seconds }`.
    pub fn to_value(&self) -> Value {
        let [.., count] = self.cumulative();
        serde_json::json!({ "count": count, "seconds": self.seconds() })
    }
}
