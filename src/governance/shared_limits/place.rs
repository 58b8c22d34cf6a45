//! Places at servers: calls that are made at a time, of all processes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lines::Lines;
use crate::error::Result;
use crate::host::{SharedLimits, Standing};
use crate::log::Logger;

/// How the log says what the store was to do.
pub(super) const WHAT: &str = "count calls";
/// After which time the places of a process that has died are free.
const LEASE: Duration = Duration::from_secs(15);
const RENEWAL: Duration = Duration::from_secs(5);

/// A place that is wanted or held.
pub(super) struct Place {
    places: Arc<Places>,
    store: Arc<dyn SharedLimits>,
    pub key: String,
    number: u64,
    most: u32,
    logger: Logger,
    /// The store has granted it, or may have.
    is_held: AtomicBool,
    /// Nobody has it any more. Renewing and leaving wait for each other, so that nothing is renewed that was left.
    is_left: tokio::sync::Mutex<bool>,
}

impl Place {
    /// Whether there is something to leave.
    pub fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// Whether this has a place now.
    async fn enter(&self) -> Result<bool> {
        // Who does not wait for the answer may have it all the same.
        self.is_held.store(true, Ordering::Relaxed);
        let holder = self.holder();
        let entering = self.store.enter(&self.key, &holder, self.most, LEASE);
        let has_place = entering.await?;
        self.is_held.store(has_place, Ordering::Relaxed);
        Ok(has_place)
    }

    fn holder(&self) -> String {
        format!("{:x}-{}", self.places.process, self.number)
    }

    async fn renew(&self) -> Result<()> {
        let is_left = self.is_left.lock().await;
        if !*is_left {
            let holder = self.holder();
            let entering = self.store.enter(&self.key, &holder, self.most, LEASE);
            entering.await?;
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        *self.is_left.lock().await = true;
        self.store.leave(&self.key, &self.holder()).await
    }
}

/// A place that is wanted; given back where the call goes away before it is told.
pub(super) struct Wanted {
    place: Arc<Place>,
    /// The store is asked for it. Nothing is left before it has answered: who leaves first may enter afterwards.
    entering: Option<BoxFuture<'static, Option<bool>>>,
}

impl Wanted {
    /// Whether this has a place now; `None` where the store does not say.
    pub async fn enter(&mut self) -> Option<bool> {
        let place = Arc::clone(&self.place);
        let entering = async move {
            let standing = &place.places.standing;
            standing.ask(WHAT, &place.logger, place.enter()).await
        };
        let has_place = self.entering.insert(entering.boxed()).await;
        self.entering = None;
        has_place
    }
}

impl std::ops::Deref for Wanted {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.place.places.leave(&self.place, self.entering.take());
    }
}

/// A place among the calls that all processes make at a time. It is left when this is dropped.
pub struct SharedTurn {
    _place: Wanted,
}

/// The places of one runtime.
pub(super) struct Places {
    /// Told from other processes by that.
    process: u64,
    last: AtomicU64,
    standing: Arc<Standing>,
    pub lines: Lines,
    held: Mutex<Held>,
    tasks: TaskTracker,
    pub closing: CancellationToken,
    runtime: Handle,
}

#[derive(Default)]
struct Held {
    places: HashMap<u64, Arc<Place>>,
    /// One task does it for all.
    are_renewed: bool,
}

impl Places {
    pub fn new(
        standing: Arc<Standing>,
        tasks: TaskTracker,
        closing: CancellationToken,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            process: rand::random(),
            last: AtomicU64::default(),
            standing,
            lines: Lines::default(),
            held: Mutex::default(),
            tasks,
            closing,
            runtime,
        })
    }

    pub fn wanted(
        self: &Arc<Self>,
        store: &Arc<dyn SharedLimits>,
        key: String,
        most: u32,
        logger: &Logger,
    ) -> Wanted {
        let place = Arc::new(Place {
            places: Arc::clone(self),
            store: Arc::clone(store),
            key,
            number: self.last.fetch_add(1, Ordering::Relaxed),
            most,
            logger: logger.clone(),
            is_held: AtomicBool::new(false),
            is_left: tokio::sync::Mutex::default(),
        });
        Wanted {
            place,
            entering: None,
        }
    }

    /// Renews a place for as long as the turn is there.
    pub fn keep(self: &Arc<Self>, place: Wanted) -> SharedTurn {
        let mut held = self.held.lock();
        held.places.insert(place.number, Arc::clone(&place.place));
        if !std::mem::replace(&mut held.are_renewed, true) {
            self.spawn(Box::pin(Arc::clone(self).renew()));
        }
        SharedTurn { _place: place }
    }

    async fn renew(self: Arc<Self>) {
        while self
            .closing
            .run_until_cancelled(sleep(RENEWAL))
            .await
            .is_some()
        {
            let places: Vec<_> = {
                let mut held = self.held.lock();
                if held.places.is_empty() {
                    held.are_renewed = false;
                    return;
                }
                held.places.values().cloned().collect()
            };
            let renewing = places
                .iter()
                .map(|place| self.standing.ask(WHAT, &place.logger, place.renew()));
            join_all(renewing).await;
        }
    }

    /// The store is told by whoever has the time; where it is away, the lease ends by itself.
    fn leave(
        self: &Arc<Self>,
        place: &Arc<Place>,
        entering: Option<BoxFuture<'static, Option<bool>>>,
    ) {
        self.held.lock().places.remove(&place.number);
        if entering.is_none() && !place.is_held() {
            return;
        }
        let (places, place) = (Arc::clone(self), Arc::clone(place));
        self.spawn(Box::pin(async move {
            let answer = match entering {
                Some(entering) => entering.await,
                None => Some(true),
            };
            let leaving = place.leave();
            match answer {
                Some(false) => {}
                Some(true) => drop(places.standing.ask(WHAT, &place.logger, leaving).await),
                // It is left alone now, and may have given the place all the same.
                None => drop(Standing::insist(leaving).await),
            }
            places.lines.freed(&place.key);
        }));
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.tasks.spawn_on(work, &self.runtime);
    }
}
