//! Connections that nobody uses let go of what the next call can bring back: most users of a server do nothing most of
//! the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Manager;
use super::pool::Slot;

/// How long a connection stays as it is after a use, unless that was its first: calls of tools come in series.
const PAUSE: Duration = Duration::from_secs(3);

/// When a connection may rest.
#[derive(Default)]
pub(super) struct Rest {
    used_at: Option<Instant>,
    /// A task waits for the end of the pause. There is none for a connection that rests.
    is_awaited: bool,
}

impl Rest {
    /// When the pause is over; `None` when it is.
    fn due(&mut self) -> Option<Instant> {
        let due = self.used_at? + PAUSE;
        self.is_awaited = due > Instant::now();
        self.is_awaited.then_some(due)
    }
}

impl Manager {
    /// Nobody uses the connection any more.
    pub(super) fn let_rest(&self, slot: &Arc<Slot>) {
        if !slot.connection.may_rest() {
            return;
        }
        let mut rest = slot.rest.lock();
        let is_first = rest.used_at.replace(Instant::now()).is_none();
        // What lists a server's tools when a chat is opened is often all that is heard of a user.
        if rest.is_awaited || (is_first && slot.connection.rest()) {
            return;
        }
        rest.is_awaited = true;
        drop(rest);
        let (manager, slot) = (self.clone(), Arc::downgrade(slot));
        self.spawn(async move {
            let mut due = Instant::now() + PAUSE;
            loop {
                tokio::select! {
                    () = manager.0.closing.cancelled() => return,
                    () = tokio::time::sleep_until(due) => {}
                }
                let Some(slot) = slot.upgrade() else { return };
                let next = slot.rest.lock().due();
                let Some(next) = next else {
                    slot.connection.rest();
                    return;
                };
                due = next;
            }
        });
    }
}
