//! What is counted and told about connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::directory::ConnectionState;
use super::key::Key;
use super::slot::Slot;
use super::state::Manager;
use crate::clock::now_ms;
use crate::connection::Parting;
use crate::log::Logger;
use crate::telemetry::{CLOSED, Gauges, Kind, LOST, Metrics, Operation, Queued, Started};

impl Manager {
    /// Counts an operation and tells the host.
    pub fn record(&self, operation: Operation, logger: &Logger) {
        self.0.metrics.record(operation, logger);
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// What is there at the moment.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let mut connections: BTreeMap<_, u64> = BTreeMap::new();
        let mut count = |transport, state: ConnectionState| {
            *connections.entry((transport, state.as_str())).or_default() += 1;
        };
        self.each_connection(|_, transport, state| count(transport, state));
        let (open, breakers) = self.0.breakers.counts();
        let mut blocked = BTreeMap::new();
        self.0.breakers.blocked(|key, _| {
            let server = self.0.metrics.server(&key.server_name);
            *blocked.entry(server).or_default() += 1;
        });
        let mut queues = BTreeMap::<_, Queued>::new();
        self.0.turns.each(|name, queued| {
            let server = self.0.metrics.server(name);
            queues.entry(server).or_default().add(queued);
        });
        Gauges {
            connections: connections
                .into_iter()
                .map(|((transport, state), number)| (transport, state, number))
                .collect(),
            users: self.stats().tracked_users as u64,
            breakers_open: open as u64,
            breakers_closed: (breakers - open) as u64,
            blocked,
            queues,
        }
    }

    /// Shows the connections that there are, and those on their way where there is none, with their transport.
    pub(super) fn each_connection(
        &self,
        mut show: impl FnMut(&Key, &'static str, ConnectionState),
    ) {
        let pool = self.0.pool.lock();
        for (key, slot) in &pool.slots {
            let state = if slot.connection.is_closed() {
                ConnectionState::Error
            } else {
                ConnectionState::Connected
            };
            show(key, slot.transport(), state);
        }
        for (key, attempt) in &pool.attempts {
            if !pool.slots.contains_key(key) {
                show(key, attempt.kind.as_str(), ConnectionState::Connecting);
            }
        }
    }

    /// Ends a connection and tells so.
    pub(super) async fn end(&self, slot: &Slot, parting: Parting) {
        let outcome = if slot.connection.is_closed() {
            LOST
        } else {
            CLOSED
        };
        let hands_over = self.0.hands_over.load(Ordering::Relaxed);
        let parting = match parting {
            Parting::Left if hands_over => Parting::HandedOver,
            _ => parting,
        };
        slot.connection.part(parting).await;
        self.tell_end(slot, outcome);
    }

    pub(super) fn tell_end(&self, slot: &Slot, outcome: &'static str) {
        if !slot.ends() {
            return;
        }
        let (recipe, key) = (&slot.connection.recipe, &slot.key);
        let ended = Started::now(Kind::Disconnect, &key.server_name, key.owner.user_id())
            .ended(outcome, outcome == LOST);
        let stood = u64::try_from(now_ms() - slot.connection.created_at).unwrap_or_default();
        let duration = Duration::from_millis(stood);
        let operation = Operation {
            transport: Some(slot.transport()),
            started: SystemTime::now()
                .checked_sub(duration)
                .unwrap_or(ended.started),
            duration,
            ..ended
        };
        self.record(operation, &recipe.logger);
    }
}

impl Slot {
    fn transport(&self) -> &'static str {
        self.connection.recipe.config.transport.kind().as_str()
    }
}
