//! What is written of a session.

use std::collections::BTreeMap;

use http::HeaderValue;
use rmcp::model::{ProtocolVersion, ServerCapabilities};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::connection::generation::Generation;
use crate::connection::handshake::{Described, is_known};
use crate::connection::login::{have_common, learn};
use crate::hex;
use crate::nesting::{self, MAX_NESTING};
use crate::transport::HttpSession;

/// Ids of requests count from `range << 32`, so that no two connections use one twice. All are whole numbers that JavaScript
/// can say.
pub(in crate::connection) const RANGE_BITS: u32 = 32;
const RANGES: u32 = 1 << 20;
/// A server that says more of itself keeps its sessions for one process each.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Record {
    Live(Box<Live>),
    /// Nobody goes on with it.
    Ended {
        next_range: u32,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::connection) struct Live {
    /// What the server calls it; absent where it keeps none.
    pub id: Option<String>,
    pub version: ProtocolVersion,
    /// As the server wrote them. Absent where it wrote none.
    pub capabilities: Option<Box<RawValue>>,
    /// Absent as well in records of older versions.
    #[serde(default)]
    pub server_info: Option<Box<RawValue>>,
    pub instructions: Option<String>,
    /// Tells it from the sessions before and after it.
    pub born: String,
    /// Sets of credentials of the login that it is of, the newest last; none where a user has one login.
    #[serde(default)]
    pub logins: Vec<String>,
    /// In which epoch of the user's sessions at the server it was begun.
    #[serde(default)]
    pub epoch: Epoch,
    /// The first range of ids that nobody has taken.
    pub next_range: u32,
    /// When each connection was last seen using it, in milliseconds since the epoch.
    pub users: BTreeMap<String, i64>,
}

/// One of a user's sessions at a server. Absent: none was begun lately.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::connection) struct Epoch(pub Option<String>);

impl Epoch {
    /// Whether a session may go on that was begun in another.
    pub fn has(&self, begun_in: &Self) -> bool {
        self.0.is_none() || self == begun_in
    }
}

/// A text that nobody else has.
pub(in crate::connection) fn unique() -> String {
    hex::encode(&rand::random::<[u8; 16]>())
}

/// What there is of a session.
#[derive(Default)]
pub(super) struct Found {
    pub text: Option<String>,
    /// Absent as well where the text is of no use.
    pub record: Option<Record>,
    /// That of now.
    pub epoch: Epoch,
}

impl Found {
    /// A session of this login to go on with, other than the one that was `lost`.
    pub fn usable(&self, lost: Option<&str>, login: &[String]) -> Option<&Live> {
        match &self.record {
            Some(Record::Live(live)) => {
                let is_other = Some(&*live.born) != lost;
                let is_good = live.next_range < RANGES && live.is_of(login);
                (is_other && is_good && self.epoch.has(&live.epoch)).then_some(live)
            }
            Some(Record::Ended { .. }) | None => None,
        }
    }

    /// Whether the session is of another login.
    pub fn is_of_other(&self, login: &[String]) -> bool {
        matches!(&self.record, Some(Record::Live(live)) if !live.is_of(login))
    }

    /// The first range that nobody has taken; after the last it is the first again.
    pub fn next_range(&self) -> u32 {
        let next = match &self.record {
            Some(Record::Live(live)) => live.next_range,
            Some(Record::Ended { next_range }) => *next_range,
            None => 0,
        };
        if next < RANGES { next } else { 0 }
    }
}

impl From<Live> for Record {
    fn from(live: Live) -> Self {
        Self::Live(Box::new(live))
    }
}

impl Record {
    /// `None` for more than is shared.
    pub fn to_text(&self) -> Option<Vec<u8>> {
        let text = serde_json::to_vec(self).ok()?;
        (text.len() <= MAX_BYTES).then_some(text)
    }

    /// What it says is believed as little as a server would be that said the same.
    pub fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let record: Self = nesting::parse(text, MAX_NESTING).ok()?;
        let is_usable = match &record {
            Self::Live(live) => live.agreed().is_some(),
            Self::Ended { .. } => true,
        };
        is_usable.then_some(record)
    }
}

impl Live {
    /// `None` where too much is known of the server to be shared.
    pub fn of(described: &Described, http: &HttpSession, born: String) -> Option<Self> {
        let id = http.id.as_ref().map(HeaderValue::to_str).transpose().ok()?;
        let live = Self {
            id: id.map(str::to_owned),
            version: described.version.clone(),
            capabilities: described.raw_capabilities.clone(),
            server_info: described.server_info.clone(),
            instructions: described.instructions.clone(),
            born,
            logins: Vec::new(),
            epoch: Epoch::default(),
            next_range: 0,
            users: BTreeMap::new(),
        };
        // There is to be room for those who use it.
        let room = serde_json::to_vec(&live).ok()?.len();
        (described.generation() == Generation::Initialize && room <= MAX_BYTES / 2).then_some(live)
    }

    /// What a handshake would have come to.
    pub fn agreed(&self) -> Option<(Described, HttpSession)> {
        let id = self.id.as_deref().map(HttpSession::id_of);
        let id = match id {
            Some(id) => Some(id?),
            None => None,
        };
        let version = HeaderValue::from_str(self.version.as_str()).ok();
        let capabilities = match &self.capabilities {
            Some(written) => nesting::parse(written.get(), MAX_NESTING).ok()?,
            None => ServerCapabilities::default(),
        };
        let described = Described {
            version: self.version.clone(),
            capabilities,
            instructions: self.instructions.clone(),
            raw_capabilities: self.capabilities.clone(),
            server_info: self.server_info.clone(),
        };
        let is_shared = is_known(&self.version) && described.generation() == Generation::Initialize;
        is_shared.then_some((described, HttpSession { id, version }))
    }

    /// Whether it is of the login that has this set of credentials.
    pub fn is_of(&self, login: &[String]) -> bool {
        match login {
            [] => self.logins.is_empty(),
            login => have_common(login, &self.logins),
        }
    }

    /// A refresh has put a set of credentials in place of another; whether that was this login's.
    pub fn renew_login(&mut self, before: &str, after: &str) -> bool {
        let is_known = |set: &str| self.logins.iter().any(|known| known == set);
        let is_news = is_known(before) && !is_known(after);
        if is_news {
            learn(&mut self.logins, &[after.to_owned()]);
        }
        is_news
    }

    /// The range of somebody who goes on with it, and has used those before `own`; `None` where all are taken.
    pub fn take_range(&mut self, own: u32) -> Option<u32> {
        let range = self.next_range.max(own);
        self.next_range = range.checked_add(1)?;
        (range < RANGES).then_some(range)
    }

    /// Notes a use. Those are forgotten that were not seen for `lifetime`, in milliseconds.
    pub fn used_by(&mut self, user: &str, now: i64, lifetime: i64) {
        self.users
            .retain(|_, at| now.saturating_sub(*at) <= lifetime);
        self.users.insert(user.to_owned(), now);
    }
}
