//! Beginning a session: going on with one that another process has begun, else making one that others find.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::claim::{Claim, Claimed};
use super::record::{Found, Live, RANGE_BITS, Record};
use super::share::Share;
use super::store::MAX_CONFLICTS;
use crate::clock::now_ms;
use crate::connection::engine::{Agreed, Engine};
use crate::connection::generation::Generation;
use crate::error::Result;

/// How often one looks for the session that another process makes.
const POLL: Duration = Duration::from_millis(100);

enum Beginning {
    /// The session of another process is this one's, too.
    Shared,
    /// All sessions were ended since the connection began.
    Ended,
    /// A handshake is needed. Ids count from this range on where none was sent yet.
    Anew {
        range: u32,
        turn: Option<Arc<Claim>>,
    },
}

impl Engine {
    /// Begins a session, in place of one that the server has forgotten where there is any.
    pub async fn open(
        &self,
        forgotten: Option<&Agreed>,
        known: Option<Generation>,
        deadline: Instant,
    ) -> Result<()> {
        let share = self.share.as_ref();
        let share = share.filter(|_| known != Some(Generation::Discover));
        let Some((share, login)) = share.and_then(|share| Some((share, share.login.sets()?)))
        else {
            return self.shake(known, deadline).await;
        };
        let lost = forgotten.and_then(|forgotten| forgotten.born.as_deref());
        let is_renewal = forgotten.is_some();
        if login.is_empty() {
            share.begin_anew();
        }
        // A store, or whoever has the turn, may take so long that a handshake would come too late.
        let looking = timeout_at(half_way(deadline), self.look(share, lost, &login));
        let (range, turn) = match looking.await {
            Ok(Beginning::Shared) => return Ok(()),
            Ok(Beginning::Anew { range, turn }) => (range, turn),
            // The user's tokens have to be read again.
            Ok(Beginning::Ended) if is_renewal => return Err(self.supersede()),
            Ok(Beginning::Ended) | Err(_) => (0, None),
        };
        if self.next_id.load(Ordering::Relaxed) == 0 {
            self.count_from(range);
        }
        let keeping = async {
            if let Some(turn) = &turn {
                turn.keep().await;
            }
            pending::<Result<()>>().await
        };
        tokio::select! {
            biased;
            shaken = self.shake(known, deadline) => shaken?,
            kept = keeping => kept?,
        }
        let publishing = self.publish(share, (lost, is_renewal), login);
        let _ = timeout_at(half_way(deadline), publishing).await;
        Ok(())
    }

    async fn look(&self, share: &Share, lost: Option<&str>, login: &[String]) -> Beginning {
        let (mut turn, mut conflicts) = (None, 0);
        loop {
            let Some(found) = share.session.read().await else {
                return Beginning::Anew { range: 0, turn };
            };
            if !share.is_going_on(&found) {
                return Beginning::Ended;
            }
            let range = found.next_range();
            if let Some(live) = found.usable(lost, login)
                && conflicts < MAX_CONFLICTS
            {
                match self.adopt(share, &found, live.clone()).await {
                    Some(true) => return Beginning::Shared,
                    Some(false) => conflicts += 1,
                    None => return Beginning::Anew { range, turn },
                }
            } else if turn.is_some() || conflicts == MAX_CONFLICTS {
                return Beginning::Anew { range, turn };
            } else {
                match Claim::turn(&share.session).await {
                    // It may have been made since.
                    Claimed::Mine(claim) => turn = Some(claim),
                    Claimed::Taken => sleep(POLL).await,
                    Claimed::Unknown => return Beginning::Anew { range, turn },
                }
            }
        }
    }

    async fn adopt(&self, share: &Share, found: &Found, mut live: Live) -> Option<bool> {
        let range = live.take_range(self.next_range());
        let (Some(range), Some((described, http))) = (range, live.agreed()) else {
            return Some(false);
        };
        live.used_by(&share.name, now_ms(), share.session.lifetime_ms());
        let born = live.born.clone();
        if !share.session.replace(found, &live.into()).await? {
            return Some(false);
        }
        self.count_from(range);
        self.client
            .logger
            .info("Going on with a session that another process has begun");
        let agreed = Agreed {
            born: Some(born),
            is_adopted: true,
            ..Agreed::new(self.last.shared(described), http, &self.life)
        };
        agreed.is_written.store(true, Ordering::Relaxed);
        self.take_up(agreed);
        Some(true)
    }

    /// Has others find a session that was made, unless there is another by now. Whoever connects has read the user's newest
    /// tokens, and takes the place of a session of another login; whoever goes on with tokens of before does not.
    async fn publish(
        &self,
        share: &Share,
        (lost, is_renewal): (Option<&str>, bool),
        login: Vec<String>,
    ) {
        let agreed = self.agreed.lock().clone();
        let Some((agreed, mut live)) = agreed.and_then(|it| it.live().map(|live| (it, live)))
        else {
            return;
        };
        for _ in 0..MAX_CONFLICTS {
            let Some(found) = share.session.read().await else {
                return;
            };
            let is_late = is_renewal && found.is_of_other(&login) || !share.is_going_on(&found);
            if is_late || found.usable(lost, &login).is_some() {
                return;
            }
            let known = match &found.record {
                Some(Record::Live(before)) if before.is_of(&login) => &before.logins,
                _ => &login,
            };
            live.logins.clone_from(known);
            live.epoch = share.epoch();
            live.next_range = self.next_range().max(found.next_range());
            live.used_by(&share.name, now_ms(), share.session.lifetime_ms());
            let record = live.clone().into();
            match share.session.replace(&found, &record).await {
                Some(false) => {}
                written => {
                    let is_written = written == Some(true);
                    agreed.is_written.store(is_written, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// The first range of ids that this connection has not used.
    pub(super) fn next_range(&self) -> u32 {
        match self.next_id.load(Ordering::Relaxed) {
            0 => 0,
            next => u32::try_from((next >> RANGE_BITS) + 1).unwrap_or(u32::MAX),
        }
    }

    fn count_from(&self, range: u32) {
        let first = u64::from(range) << RANGE_BITS;
        self.next_id.fetch_max(first, Ordering::Relaxed);
    }
}

impl Agreed {
    /// What others may know of it; `None` where it is this connection's alone.
    pub(in crate::connection) fn live(&self) -> Option<Live> {
        Live::of(&self.described, &self.http, self.born.clone()?)
    }
}

fn half_way(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}
