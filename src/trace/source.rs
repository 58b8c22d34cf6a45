//! Who has something to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use super::queue::Queue;
use super::record::{Asked, BEYOND, Details, Event, LONGEST, Purpose, Record, Who};

/// The numbers of connections and of exchanges, which begin at 1.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
static EXCHANGES: AtomicU64 = AtomicU64::new(1);

/// A server and a user, one connection to it, or nobody in particular. Empty where nothing is traced, and cheap to clone.
#[derive(Clone, Default)]
pub struct Source(pub(super) Option<Arc<Party>>);

pub(super) struct Party {
    pub queue: Arc<Queue>,
    pub who: Arc<Who>,
    transport: &'static str,
    connection: u64,
    is_connected: AtomicBool,
    /// The last request: whatever comes meanwhile may repeat what it had.
    asked: Mutex<Option<Arc<Asked>>>,
}

impl Drop for Party {
    /// Whatever sends or reads has ended.
    fn drop(&mut self) {
        if *self.is_connected.get_mut() {
            self.tell(Event::Step {
                step: "disconnected",
                details: Details::new(),
            });
        }
    }
}

impl Party {
    /// `connection` is 0 where it is none.
    pub fn new(
        queue: Arc<Queue>,
        who: Arc<Who>,
        (transport, connection): (&'static str, u64),
    ) -> Self {
        Self {
            queue,
            who,
            transport,
            connection,
            is_connected: AtomicBool::new(false),
            asked: Mutex::default(),
        }
    }

    pub fn asked(&self, asked: &Arc<Asked>) {
        *self.asked.lock() = Some(Arc::clone(asked));
    }

    pub fn tell(&self, event: Event) {
        let asked = self.asked.lock().clone();
        self.tell_of(asked, event);
    }

    pub fn tell_of(&self, asked: Option<Arc<Asked>>, event: Event) {
        self.queue.push(Record {
            at: SystemTime::now(),
            who: Arc::clone(&self.who),
            asked,
            event,
        });
    }
}

impl Source {
    /// One connection of it, over this transport.
    #[must_use]
    pub fn connection(&self, transport: &'static str) -> Self {
        Self(self.0.as_ref().map(|party| {
            let (queue, who) = (Arc::clone(&party.queue), Arc::clone(&party.who));
            let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            Arc::new(Party::new(queue, who, (transport, connection)))
        }))
    }

    /// A step, whose members are asked for only where somebody reads them.
    pub fn step(&self, step: &'static str, details: impl FnOnce() -> Details) {
        if let Some(party) = &self.0 {
            let details = details();
            party.tell(Event::Step { step, details });
        }
    }

    /// The connection is there; that it is over is told when nobody has it any more.
    pub fn connected(&self, details: impl FnOnce() -> Details) {
        if let Some(party) = &self.0 {
            party.is_connected.store(true, Ordering::Relaxed);
            self.step("connected", details);
        }
    }

    /// A message to the server.
    pub fn sent(&self, text: &[u8], exchange: u64) {
        if let Some(party) = &self.0 {
            party.message(true, text, exchange);
        }
    }

    /// A message of the server.
    pub fn received(&self, text: &[u8], exchange: u64) {
        if let Some(party) = &self.0 {
            party.message(false, text, exchange);
        }
    }

    /// What the records of a request say of it.
    #[must_use]
    pub fn tag(&self, purpose: Purpose) -> Option<Arc<Tag>> {
        let party = Arc::clone(self.0.as_ref()?);
        Some(Arc::new(Tag {
            party,
            purpose,
            exchange: next_exchange(),
            is_taken: AtomicBool::new(false),
        }))
    }
}

impl Party {
    #[cold]
    fn message(&self, is_sent: bool, text: &[u8], exchange: u64) {
        if text.trim_ascii().is_empty() {
            return;
        }
        self.tell(Event::Message {
            is_sent,
            transport: self.transport,
            connection: self.connection,
            exchange,
            text: text[..text.len().min(LONGEST + BEYOND)].to_vec(),
            bytes: text.len(),
        });
    }
}

/// Whose a request is, and what for.
pub struct Tag {
    pub(super) party: Arc<Party>,
    pub(super) purpose: Purpose,
    /// The number of its first exchange.
    pub exchange: u64,
    is_taken: AtomicBool,
}

impl Tag {
    /// The number of the next exchange: a request that is sent again is another one.
    pub(super) fn next(&self) -> u64 {
        if self.is_taken.swap(true, Ordering::Relaxed) {
            next_exchange()
        } else {
            self.exchange
        }
    }
}

fn next_exchange() -> u64 {
    EXCHANGES.fetch_add(1, Ordering::Relaxed)
}
