//! Log messages and ends of elicitations of a session on their way to the host. It is handed one at a time, so that a server that sends without end
//! takes neither its memory nor its event loop.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::caller::Caller;
use crate::host::Notice;

/// What waits at the most: the number of messages, and the bytes of their texts unless it is only one.
const LONGEST: usize = 256;
const LARGEST: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Notices(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The host has one that it has not heard yet.
    is_told: bool,
    /// Somebody hands them over, one after the other.
    is_handing_over: bool,
}

struct Waiting {
    /// Whose host is told.
    caller: Caller,
    method: &'static str,
    params: String,
    is_nobodys: bool,
}

/// The one that the host has.
struct Told(Arc<Notices>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.0.lock().is_told = false;
        self.0.hand_over();
    }
}

impl Notices {
    /// Queues a notification, unless too much waits already. `is_nobodys`: see [`Notice`].
    pub fn push(
        self: &Arc<Self>,
        caller: Caller,
        method: &'static str,
        params: String,
        is_nobodys: bool,
    ) -> bool {
        let mut state = self.0.lock();
        let is_too_much = state.bytes + params.len() > LARGEST && !state.waiting.is_empty();
        if state.waiting.len() >= LONGEST || is_too_much {
            return false;
        }
        state.bytes += params.len();
        state.waiting.push_back(Waiting {
            caller,
            method,
            params,
            is_nobodys,
        });
        drop(state);
        self.hand_over();
        true
    }

    /// A host that hears at once, or is gone, makes this call itself; the loop that is there already goes on then.
    fn hand_over(self: &Arc<Self>) {
        let mut state = self.0.lock();
        if std::mem::replace(&mut state.is_handing_over, true) {
            return;
        }
        while !state.is_told
            && let Some(next) = state.waiting.pop_front()
        {
            state.bytes -= next.params.len();
            state.is_told = true;
            drop(state);
            if let Some(host) = &next.caller.host {
                let notice = Notice {
                    method: next.method,
                    params: next.params,
                    is_nobodys: next.is_nobodys,
                    heard: Box::new(Told(Arc::clone(self))),
                };
                host.notify(&next.caller.peer, notice);
            } else {
                self.0.lock().is_told = false;
            }
            state = self.0.lock();
        }
        state.is_handing_over = false;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::Value;

    use super::*;
    use crate::error::{Error, Result};
    use crate::host::{Heard, Peer, ServerRequest, ServerRequests};

    const LOG: &str = "notifications/message";

    /// Notes what it is told, and has not heard it before the test says so.
    #[derive(Default)]
    struct Host {
        told: Mutex<Vec<(Option<String>, String)>>,
        unheard: Mutex<Vec<Heard>>,
        hears_at_once: bool,
    }

    #[async_trait]
    impl ServerRequests for Host {
        fn handles(&self, _: &str) -> bool {
            true
        }
        async fn answer(&self, _: &Peer, _: ServerRequest<'_>) -> Result<Value> {
            Err(Error::internal())
        }
        fn notify(&self, peer: &Peer, notice: Notice) {
            self.told.lock().push((peer.user_id.clone(), notice.params));
            if !self.hears_at_once {
                self.unheard.lock().push(notice.heard);
            }
        }
    }

    fn caller(host: &Arc<Host>, user_id: Option<&str>) -> Caller {
        Caller {
            peer: Peer {
                server_name: "srv".to_owned(),
                user_id: user_id.map(str::to_owned),
                tool_name: None,
            },
            host: Some(Arc::clone(host) as _),
        }
    }

    fn hear_all(host: &Host) {
        loop {
            let unheard = std::mem::take(&mut *host.unheard.lock());
            if unheard.is_empty() {
                return;
            }
        }
    }

    #[test]
    fn hosts_are_told_one_at_a_time_and_in_order() {
        let (notices, host) = (Arc::new(Notices::default()), Arc::default());
        for (user, text) in [("ann", "1"), ("bob", "2"), ("ann", "3")] {
            assert!(notices.push(caller(&host, Some(user)), LOG, text.to_owned(), false));
        }
        assert_eq!(host.told.lock().len(), 1);
        hear_all(&host);
        let told: Vec<_> = host
            .told
            .lock()
            .iter()
            .map(|(_, text)| text.clone())
            .collect();
        assert_eq!(told, ["1", "2", "3"]);
        assert_eq!(host.told.lock()[1].0.as_deref(), Some("bob"));
    }

    #[test]
    fn what_waits_has_a_bound() {
        let (notices, host) = (Arc::new(Notices::default()), Arc::default());
        let push = |bytes: usize| notices.push(caller(&host, None), LOG, "x".repeat(bytes), true);
        let taken = (0..1000).filter(|_| push(1)).count();
        // One is with the host.
        assert_eq!(taken, LONGEST + 1);
        hear_all(&host);
        assert_eq!(host.told.lock().len(), taken);
        assert!(push(2 * LARGEST));
        assert!(push(2 * LARGEST));
        assert!(!push(1));
        hear_all(&host);
        assert!(push(1));
    }

    #[test]
    fn a_host_that_hears_at_once_is_no_recursion() {
        let notices = Arc::new(Notices::default());
        let slow = Arc::default();
        let fast = Arc::new(Host {
            hears_at_once: true,
            ..Host::default()
        });
        assert!(notices.push(caller(&slow, None), LOG, String::new(), true));
        for _ in 0..LONGEST {
            assert!(notices.push(caller(&fast, None), LOG, String::new(), true));
        }
        hear_all(&slow);
        assert_eq!(fast.told.lock().len(), LONGEST);
    }
}
