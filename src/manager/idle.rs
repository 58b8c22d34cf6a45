//! Disconnecting users who do nothing: by a timer, not only on the next call.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::key::Owner;
use super::pool::Pool;
use super::slot::Slot;
use super::state::Manager;
use crate::cancel::until_closed;
use crate::connection::{Event, Parting};

/// The least time between two looks at all connections: thousands of users become idle one after the other.
const PAUSE: Duration = Duration::from_millis(100);

impl Manager {
    /// Starts the timer if it does not run. It ends by itself when no user has a connection.
    pub(super) fn run_idle_timer(&self, pool: &mut Pool) {
        if pool.idle_timer_runs || self.0.closing.is_cancelled() {
            return;
        }
        pool.idle_timer_runs = true;
        let manager = self.clone();
        self.spawn(async move {
            loop {
                let Some(next) = manager.disconnect_idle_users() else {
                    return;
                };
                let due = tokio::time::sleep_until(next.max(Instant::now() + PAUSE));
                if until_closed(&manager.0.closing, due).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Disconnects the users whose time is over and says when the next one's may be; `None` ends the timer.
    fn disconnect_idle_users(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut over: Vec<Arc<Slot>> = Vec::new();
        let mut busy = Vec::new();
        let mut pool = self.0.pool.lock();
        let Pool {
            slots, activity, ..
        } = &mut *pool;
        for (key, slot) in slots.iter() {
            let Some(user) = key.owner.user_id() else {
                continue;
            };
            let limit = slot.connection.recipe.settings.user_idle_timeout;
            // A call in progress is activity.
            let last = if slot.is_used() {
                busy.push(Arc::clone(slot));
                now
            } else {
                match key.owner {
                    Owner::Request { .. } => slot.used_at(),
                    _ => activity.get(user).map_or(now, |activity| activity.last),
                }
            };
            let due = last + limit.max(Duration::from_millis(1));
            if due <= now {
                over.push(Arc::clone(slot));
            } else {
                next = Some(next.map_or(due, |earliest| earliest.min(due)));
            }
        }
        for slot in &over {
            pool.remove(slot);
        }
        let Pool {
            slots, activity, ..
        } = &mut *pool;
        let users: HashSet<&str> = slots.keys().filter_map(|key| key.owner.user_id()).collect();
        activity.retain(|user, _| users.contains(&**user));
        pool.idle_timer_runs = next.is_some();
        drop(pool);
        for slot in busy {
            self.note_use(&slot);
        }
        for slot in over {
            let recipe = &slot.connection.recipe;
            let prefix = recipe.log_prefix();
            recipe
                .logger
                .info(format!("{prefix} User idle for too long. Disconnecting."));
            self.tell(&slot.key, Event::Closed);
            self.retire(&slot, Parting::Left);
        }
        next
    }
}
