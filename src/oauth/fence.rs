//! The fence around the rows of a refresh, and what becomes of it while the host's lock is away. Leases mostly live with
//! the lock, and are away with it; rows are compared and set in the token store, which has to be there for a refresh.

use super::host_lock::{HostLock, is_away};
use super::leases::{ADMISSIONS, Leases};
use crate::error::{Error, Result};
use crate::host::{LockGuard, Standing};
use crate::log::Logger;

/// That of one refresh.
pub struct Fence<'a> {
    leases: &'a Leases,
    /// That which held before the request; `None` where the host could not say.
    generation: Option<i64>,
    /// Without it, nothing is done without the leases.
    beside: Option<Beside<'a>>,
}

/// The host's lock, where it keeps refreshes of processes apart, and not its leases.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    pub lock: HostLock<'a>,
    /// That of the leases.
    pub standing: &'a Standing,
    pub flow_id: &'a str,
}

/// The right to write rows.
pub struct Admitted<'a> {
    leases: &'a Leases,
    /// `None` where rows are compared and set, and nothing more.
    held: Option<Box<dyn LockGuard>>,
}

impl Beside<'_> {
    /// The generation, `Some(None)` during a teardown. `None` where the host does not say within two seconds, and for five
    /// seconds after that.
    pub async fn ask(&self, leases: &Leases) -> Option<Option<i64>> {
        // What becomes of refreshes is told of the lock.
        let unheard = Logger::silent();
        let generation = leases.generation();
        self.standing.ask("answer", &unheard, generation).await
    }

    /// Whether what the leases failed with is what keeps the lock away as well.
    async fn is_away_too(&self, error: &Error) -> bool {
        is_away(error) && (self.lock.standing.is_away() || self.lock.is_away(self.flow_id).await)
    }
}

impl<'a> Fence<'a> {
    /// For rows that are never written without it.
    pub fn exact(leases: &'a Leases, generation: i64) -> Self {
        Self {
            leases,
            generation: Some(generation),
            beside: None,
        }
    }

    /// `None` during a teardown.
    pub async fn begin(leases: &'a Leases, beside: Option<Beside<'a>>) -> Result<Option<Self>> {
        let generation = match &beside {
            None => leases.generation().await?.map(Some),
            Some(beside) => match beside.ask(leases).await {
                Some(asked) => asked.map(Some),
                None => Some(None),
            },
        };
        Ok(generation.map(|generation| Self {
            leases,
            generation,
            beside,
        }))
    }

    /// Whether the host's lock was away before, and its leases are now.
    pub fn is_away(&self) -> bool {
        let is_lock_away = |beside: &Beside<'_>| beside.lock.standing.is_away();
        self.generation.is_none() && self.beside.as_ref().is_some_and(is_lock_away)
    }

    /// Whether there is no teardown. Who has the lock has to know the generation; for who goes on without it, comparing
    /// rows has to do.
    pub async fn settle(&mut self, is_alone: bool) -> Result<bool> {
        if self.generation.is_none() && !is_alone {
            self.generation = self.leases.generation().await?;
            return Ok(self.generation.is_some());
        }
        Ok(true)
    }

    /// The right to write what was asked for; `None` where a teardown has ended its generation.
    pub async fn admit(&self) -> Result<Option<Admitted<'a>>> {
        let leases = self.leases;
        let without = Admitted { leases, held: None };
        let Some(generation) = self.generation else {
            return Ok(Some(without));
        };
        let held = match &self.beside {
            None => leases.admit(generation, ADMISSIONS).await?,
            Some(beside) => {
                if beside.lock.standing.is_away() && beside.ask(leases).await.is_none() {
                    return Ok(Some(without));
                }
                match leases.admit(generation, 1).await {
                    Err(error) if beside.is_away_too(&error).await => {
                        beside.lock.do_without(&error);
                        return Ok(Some(without));
                    }
                    Err(_) => leases.admit(generation, ADMISSIONS).await?,
                    Ok(held) => held,
                }
            }
        };
        Ok(held.map(|held| Admitted {
            leases,
            held: Some(held),
        }))
    }
}

impl Admitted<'_> {
    pub async fn release(self) {
        if let Some(held) = self.held {
            self.leases.release(held).await;
        }
    }
}
