//! The session while it is used, and when this connection is done with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::record::{Found, Live, Record};
use super::share::Share;
use super::store::MAX_CONFLICTS;
use crate::clock::now_ms;
use crate::connection::engine::{Agreed, Engine};
use crate::connection::login::{Login, learn};

/// Why a connection ends. Of several reasons the last one here counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parting {
    /// Nobody uses it here. Others may go on with the session.
    #[default]
    Left,
    /// The process ends, and others are to go on with the session.
    HandedOver,
    /// Nobody is to go on with the session.
    Over,
}

impl Engine {
    fn shared_now(&self) -> Option<(&Share, Arc<Agreed>)> {
        let share = self.share.as_ref()?;
        let agreed = self.agreed.lock().clone()?;
        agreed.born.is_some().then_some((share, agreed))
    }

    /// Notes that the session is used; `false` where it is no longer the one that processes share.
    pub async fn note_use(&self) -> bool {
        let Some((share, agreed)) = self.shared_now() else {
            return true;
        };
        let is_current = |agreed| {
            let now = self.agreed.lock().clone();
            now.is_some_and(|now| Arc::ptr_eq(&now, agreed))
        };
        for _ in 0..MAX_CONFLICTS {
            let is_forgotten = agreed.is_forgotten.load(Ordering::Acquire);
            if self.is_closed() || is_forgotten || !is_current(&agreed) {
                return true;
            }
            let Some(found) = share.session.read().await else {
                return true;
            };
            let Some(live) = used(self.next_range(), share, &agreed, &found) else {
                // Unless another was taken up meanwhile.
                return !is_current(&agreed);
            };
            match share.session.replace(&found, &live.into()).await {
                Some(true) => {
                    agreed.is_written.store(true, Ordering::Relaxed);
                    if agreed.is_unheard.swap(false, Ordering::Relaxed) {
                        self.listen(&agreed);
                    }
                    return true;
                }
                Some(false) => {}
                None => return true,
            }
        }
        true
    }

    /// Tells others that this connection is done with the session, and answers whether the server is to be told that it
    /// ends.
    pub async fn part(&self, parting: Parting) -> bool {
        let Some((share, agreed)) = self.shared_now() else {
            return true;
        };
        let is_lost = self.is_over() || agreed.is_forgotten.load(Ordering::Acquire);
        let parting = if is_lost { Parting::Over } else { parting };
        for _ in 0..MAX_CONFLICTS {
            let Some(found) = share.session.read().await else {
                break;
            };
            let Some(mut live) = used(self.next_range(), share, &agreed, &found) else {
                // Those whose login it is go on with it.
                return !share.is_going_on(&found) || !found.is(&agreed);
            };
            if found.record.is_none() && parting != Parting::HandedOver {
                return true;
            }
            live.users.remove(&share.name);
            let is_unused = live.users.is_empty();
            let done = match parting {
                Parting::Left if is_unused => share.session.delete(&found).await,
                Parting::Left | Parting::HandedOver => {
                    share.session.replace(&found, &live.into()).await
                }
                Parting::Over => {
                    let next_range = live.next_range;
                    let ended = Record::Ended { next_range };
                    share.session.replace(&found, &ended).await
                }
            };
            match done {
                Some(true) => {
                    return parting == Parting::Over || parting == Parting::Left && is_unused;
                }
                Some(false) => {}
                None => break,
            }
        }
        // Others can have it only if it was ever written.
        parting == Parting::Over || !agreed.is_written.load(Ordering::Relaxed)
    }
}

/// What there is, with the use of now. Where there is nothing, the store has lost it; `None`: it is another's by now, was
/// ended for all, or nobody can tell that the credentials of now are of its login.
fn used(next_range: u32, share: &Share, agreed: &Agreed, found: &Found) -> Option<Live> {
    if !share.is_going_on(found) {
        return None;
    }
    let login = share.login.sets()?;
    let mut live = match &found.record {
        Some(Record::Live(live)) if found.is(agreed) => (**live).clone(),
        Some(_) => return None,
        None => Live {
            logins: login.clone(),
            epoch: share.epoch(),
            ..agreed.live()?
        },
    };
    if !live.is_of(&login) {
        return None;
    }
    learn(&mut live.logins, &login);
    share.login.takes(&Login::Sets(live.logins.clone()));
    live.next_range = live.next_range.max(next_range);
    live.used_by(&share.name, now_ms(), share.session.lifetime_ms());
    Some(live)
}

impl Found {
    /// Whether that is this very session.
    fn is(&self, agreed: &Agreed) -> bool {
        matches!(&self.record, Some(Record::Live(live)) if agreed.born.as_ref() == Some(&live.born))
    }
}
