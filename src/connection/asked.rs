//! What a server has sent that is not done with, and how much of it is taken.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rmcp::model::{ErrorCode, ErrorData};
use tokio_util::sync::CancellationToken;

use super::answers::{Answers, Dropped};
use super::notices::Notices;
use super::url_elicitation::OpenElicitations;

/// Requests of a server that the host is asked at the same time for one user, and their bytes unless it is only one.
/// Others are refused.
pub(super) const ASKED_OF_USER: Most = Most {
    requests: 32,
    bytes: 16 * 1024 * 1024,
};
/// The same for all users of a session. Those of one leave room for others.
const ASKED: Most = Most {
    requests: 256,
    bytes: 64 * 1024 * 1024,
};
/// JSON-RPC, "server error": the code for what an implementation defines itself.
const TOO_MANY: ErrorCode = ErrorCode(-32000);

pub(super) struct Most {
    pub requests: usize,
    pub bytes: usize,
}

/// What a server has sent that is not done with. Takes little room before there is something.
#[derive(Default)]
pub(super) struct Inbound {
    asked: OnceLock<Arc<Mutex<Vec<Arc<Asked>>>>>,
    pub answers: Answers,
    notices: OnceLock<Arc<Notices>>,
    pub dropped_notices: Dropped,
    pub elicitations: OpenElicitations,
}

/// A request that the host is asked, until the server has taken the answer.
pub(super) struct Asked {
    /// As it came. Servers that keep no sessions count anew on each stream.
    pub id: Box<str>,
    pub during: Option<u64>,
    pub user_id: Option<String>,
    pub bytes: usize,
    /// The server wants it answered no more.
    pub withdrawn: CancellationToken,
}

/// Its place among all of the session.
pub(super) struct Place {
    all: Arc<Mutex<Vec<Arc<Asked>>>>,
    pub asked: Arc<Asked>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().retain(|it| !Arc::ptr_eq(it, &self.asked));
    }
}

impl Inbound {
    pub(super) fn all(&self) -> &Arc<Mutex<Vec<Arc<Asked>>>> {
        self.asked.get_or_init(Arc::default)
    }

    pub fn notices(&self) -> &Arc<Notices> {
        self.notices.get_or_init(Arc::default)
    }

    /// `None` for a request that is being answered already: servers repeat what a stream has brought when it is resumed.
    pub(super) fn begin(&self, asked: Asked) -> Result<Option<Place>, ErrorData> {
        let mut all = self.all().lock();
        let is_known = |it: &Arc<Asked>| it.id == asked.id && it.during == asked.during;
        if all.iter().any(is_known) {
            return Ok(None);
        }
        let fits = |most: &Most, user: Option<&Option<String>>| {
            let others = all
                .iter()
                .filter(|it| user.is_none_or(|user| it.user_id == *user));
            let (count, bytes) =
                others.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.bytes));
            count < most.requests && (count == 0 || bytes + asked.bytes <= most.bytes)
        };
        if !fits(&ASKED_OF_USER, Some(&asked.user_id)) || !fits(&ASKED, None) {
            let text = "The client answers at most 32 requests at a time, and 16 MiB of them";
            return Err(ErrorData::new(TOO_MANY, text, None));
        }
        let asked = Arc::new(asked);
        all.push(Arc::clone(&asked));
        Ok(Some(Place {
            all: Arc::clone(self.all()),
            asked,
        }))
    }

    /// Whether the host is being asked something on the stream of a request of ours.
    pub fn asks_during(&self, id: u64) -> bool {
        self.all().lock().iter().any(|it| it.during == Some(id))
    }

    /// The server withdraws a request, on the stream of a request of ours or on none.
    pub(super) fn withdraw(&self, id: &str, during: Option<u64>) {
        let all = self.all().lock();
        let mut of_this_id = all.iter().filter(|it| *it.id == *id);
        let same_stream = of_this_id.clone().find(|it| it.during == during);
        let found = same_stream.or_else(|| {
            let only = of_this_id.next();
            only.filter(|_| of_this_id.next().is_none())
        });
        if let Some(found) = found {
            found.withdrawn.cancel();
        }
    }

    /// The wire has ended that all came over.
    pub fn withdraw_all(&self) {
        for asked in &*self.all().lock() {
            asked.withdrawn.cancel();
        }
    }
}
