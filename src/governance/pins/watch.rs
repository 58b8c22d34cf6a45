//! What one connection has listed, and which of it is approved.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::definition::Definition;
use super::record::Record;
use super::report::Reporter;
use super::store::{self, PinScope, approvals};
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::foreign_text::SentSecrets;
use crate::governance::page::Page;
use crate::governance::unavailable::unavailable;
use crate::keyed_lock::{KeyedGuard, KeyedLock};
use crate::lru_map::LruMap;
use crate::server_config::Pinning;

/// A refused call has the store read again, at most this often.
const REREAD: Duration = Duration::from_secs(1);
/// Tenants of one connection.
const TENANTS: usize = 1000;
/// Names that one connection remembers; far more than a list has.
const MOST_NAMES: usize = 10_000;
/// Why a tool is not called that no list has.
pub const UNLISTED: &str = "the server does not list it";

/// Whose tools are watched.
pub struct Watched {
    pub reporter: Reporter,
    /// Of a server that is no operator's (`ServerConfig::identity`).
    pub identity: Option<String>,
    /// All users have the same list.
    pub is_shared: bool,
    /// Of the call that made the connection: for lists that nobody else asks for.
    pub scope: PinScope,
    /// Those of the manager.
    pub tasks: TaskTracker,
}

/// A request for a page of `tools/list`.
pub struct Listing {
    pub is_first: bool,
    /// How often the server had said that its tools changed when the page was asked for.
    pub changes: u64,
    /// What the server was sent and may have put into its tools.
    pub sent: SentSecrets,
}

/// Whether a call is made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    Granted,
    /// Nobody can tell before the tools are listed.
    AfterList,
}

/// The tools of one connection, under `warn` or `block`.
pub struct Pins {
    blocks: bool,
    watched: Watched,
    seen: Mutex<Seen>,
    tenants: LruMap<Option<String>, Arc<Known>>,
    /// By the key of the tenant's record.
    listing: KeyedLock<String>,
    /// The log has been told that the store fails.
    has_failed: AtomicBool,
}

#[derive(Default)]
struct Seen {
    /// The hash of each tool as it was listed last, and [`Listing::changes`] of then.
    tools: HashMap<String, (u64, String)>,
    /// Names of the pages of one list so far. Absent where pages of several lists may have mixed.
    names: Option<HashSet<String>>,
    /// [`Listing::changes`] of the first of them.
    began: u64,
    /// The same of the last whole list.
    listed: Option<u64>,
}

/// What a tenant has approved, as it was last read.
struct Known {
    approved: BTreeMap<String, Vec<String>>,
    /// When it was read for a call that was refused.
    reread: Option<Instant>,
    approvals: u64,
}

impl Known {
    fn of(record: Option<&Record>, reread: Option<Instant>) -> Arc<Self> {
        Arc::new(Self {
            approved: record.map(Record::approved).unwrap_or_default(),
            reread,
            approvals: approvals(),
        })
    }

    fn has(&self, tool: &str, hash: &str) -> bool {
        let hashes = self.approved.get(tool);
        hashes.is_some_and(|hashes| hashes.iter().any(|it| it == hash))
    }
}

impl Pins {
    #[must_use]
    pub fn new(pinning: Pinning, watched: Watched) -> Self {
        Self {
            blocks: pinning == Pinning::Block,
            watched,
            seen: Mutex::default(),
            tenants: LruMap::new(TENANTS),
            listing: KeyedLock::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    fn key(&self, tenant: Option<&str>) -> String {
        let Watched {
            reporter, identity, ..
        } = &self.watched;
        store::key(tenant, &reporter.server_name, identity.as_deref())
    }

    fn scope<'a>(&'a self, of_call: Option<&'a PinScope>) -> &'a PinScope {
        of_call.unwrap_or(&self.watched.scope)
    }

    /// A page without the tools that are not approved. `of_call`: for whom it is, where a call has asked for it.
    ///
    /// # Errors
    /// Those of [`Page::read`]; where tools are blocked, those of the store.
    pub async fn shown(
        self: &Arc<Self>,
        page: Box<RawValue>,
        listing: Listing,
        of_call: Option<&PinScope>,
    ) -> Result<Box<RawValue>> {
        let read = Page::read(&page)?;
        let definitions: Vec<_> = read.tools.iter().map(|it| Definition::of(it)).collect();
        let definitions = Arc::new(definitions);
        let list_end = self.see(&definitions, read.is_last, &listing);
        let scope = self.scope(of_call);
        if let Some(warning) = scope.store.warning() {
            self.watched.reporter.logger.warn(warning);
        }
        let news = News {
            definitions: Arc::clone(&definitions),
            is_first: listing.is_first,
            is_last: read.is_last,
            list_end,
            sent: listing.sent,
        };
        let known = match self.noted(news, scope).await {
            Ok(known) => known,
            Err(error) if self.blocks => return Err(error),
            Err(error) => {
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    self.watched.reporter.failed(&error);
                }
                return Ok(page);
            }
        };
        self.has_failed.store(false, Ordering::Relaxed);
        if !self.blocks {
            return Ok(page);
        }
        let is_approved = |it: &Option<Definition>| {
            let definition = it.as_ref();
            definition.is_some_and(|it| known.has(&it.name, &it.hash))
        };
        let is_kept: Vec<_> = definitions.iter().map(is_approved).collect();
        let shown = read.without_others(&is_kept)?;
        Ok(shown.unwrap_or(page))
    }

    /// Remembers what a page has listed. Returns what the whole list had, where that is known now.
    fn see(
        &self,
        definitions: &[Option<Definition>],
        is_last: bool,
        listing: &Listing,
    ) -> Option<ListEnd> {
        let mut seen = self.seen.lock();
        if listing.is_first {
            // Another list may be half read.
            seen.names = seen.names.is_none().then(HashSet::new);
            seen.began = listing.changes;
            if seen.tools.len() > MOST_NAMES {
                seen.tools.clear();
            }
        }
        let before =
            (!self.watched.is_shared && is_last).then(|| seen.tools.keys().cloned().collect());
        for definition in definitions.iter().flatten() {
            let listed = (listing.changes, definition.hash.clone());
            if let Some(names) = &mut seen.names {
                names.insert(definition.name.clone());
            }
            let tool = seen.tools.entry(definition.name.clone());
            // A list that was asked for before the server announced another comes too late.
            tool.and_modify(|it| {
                if it.0 <= listed.0 {
                    it.clone_from(&listed);
                }
            })
            .or_insert_with(|| listed.clone());
        }
        if !is_last {
            return None;
        }
        let began = if listing.is_first {
            listing.changes
        } else {
            seen.began
        };
        seen.listed = seen.listed.max(Some(began));
        let names = seen.names.take()?;
        Some(ListEnd { names, before })
    }

    /// [`Pins::note`] in a task of its own: a caller who leaves does not take the report of what has been written along.
    async fn noted(self: &Arc<Self>, news: News, scope: &PinScope) -> Result<Arc<Known>> {
        let tenant = scope.tenant().await?;
        let (outcome, noted) = oneshot::channel();
        let (pins, scope) = (Arc::clone(self), scope.clone());
        let work: BoxFuture<'static, ()> = Box::pin(async move {
            let known = pins.note(&news, &scope, tenant).await;
            // Nobody may wait for it any more.
            let _ = outcome.send(known);
        });
        self.watched.tasks.spawn(work);
        noted.await.unwrap_or_else(|_| Err(Error::internal()))
    }

    async fn note(
        &self,
        news: &News,
        scope: &PinScope,
        tenant: Option<String>,
    ) -> Result<Arc<Known>> {
        let definitions: Vec<_> = news.definitions.iter().flatten().collect();
        // The list before may have failed, or had no end.
        let is_another = news.is_first && self.tenants.get(&tenant).is_some();
        let mut changes = Vec::new();
        let mut change = |record: &mut Record| {
            changes.clear();
            let (blocks, now) = (self.blocks, now_ms());
            let mut is_other = is_another && record.end_first_sight();
            is_other |= record.note(&definitions, blocks, now, &news.sent, &mut changes);
            if news.is_last {
                is_other |= record.end_first_sight();
            }
            if let Some(ListEnd { names, before }) = &news.list_end {
                is_other |= record.note_removed(names, before.as_ref(), &mut changes);
            }
            is_other
        };
        let key = self.key(tenant.as_deref());
        let record = store::update(&*scope.store, &key, &mut change).await?;
        let reporter = &self.watched.reporter;
        reporter.report(&changes, self.blocks, &news.sent);
        let (of, name) = (tenant.as_deref(), &reporter.server_name);
        let told = scope.tell("tools-changed", of, name, &changes, &news.sent, None);
        told.await;
        let known = Known::of(Some(&record), None);
        self.tenants.insert(tenant, Arc::clone(&known));
        Ok(known)
    }

    /// Calls that find that the tools have to be listed first wait here for each other: one lists for all of a tenant.
    pub async fn turn_to_list(&self, of_call: Option<&PinScope>) -> Result<KeyedGuard<String>> {
        let tenant = self.scope(of_call).tenant().await?;
        Ok(self.listing.lock(&self.key(tenant.as_deref())).await)
    }

    /// Whether a call of this tool, by the server's own name, is made. `changes` as in [`Listing`]; `after_list`: why a tool
    /// is none of the list, where the tools were listed for this call.
    ///
    /// # Errors
    /// [`Code::ToolNotApproved`], and those of the store.
    pub async fn admits(
        &self,
        tool: Option<&str>,
        changes: u64,
        after_list: Option<&str>,
        of_call: Option<&PinScope>,
    ) -> Result<Admission> {
        if !self.blocks {
            return Ok(Admission::Granted);
        }
        let Some(tool) = tool else {
            let message = "The call names no tool";
            return Err(Error::new(Code::ToolNotApproved, message));
        };
        let scope = self.scope(of_call);
        let tenant = scope.tenant().await?;
        let known = self.tenants.get(&tenant);
        let (hash, is_current) = {
            let seen = self.seen.lock();
            let hash = seen.tools.get(tool).map(|(_, hash)| hash.clone());
            (hash, seen.listed == Some(changes))
        };
        let (Some(known), true) = (known, is_current || after_list.is_some()) else {
            return match after_list {
                Some(why) => Err(self.refused(tool, why)),
                None => Ok(Admission::AfterList),
            };
        };
        let Some(hash) = hash else {
            return Err(self.refused(tool, after_list.unwrap_or(UNLISTED)));
        };
        if known.has(tool, &hash)
            || self
                .is_approved_by_now(tool, &hash, tenant, &known, scope)
                .await?
        {
            return Ok(Admission::Granted);
        }
        let why =
            "it is not approved as the server describes it now, and an operator has to approve it";
        Err(self.refused(tool, why))
    }

    fn refused(&self, tool: &str, why: &str) -> Error {
        let server_name = &self.watched.reporter.server_name;
        unavailable(Code::ToolNotApproved, server_name, tool, why)
    }

    async fn is_approved_by_now(
        &self,
        tool: &str,
        hash: &str,
        tenant: Option<String>,
        known: &Known,
        scope: &PinScope,
    ) -> Result<bool> {
        let is_fresh = known.approvals == approvals()
            && known.reread.is_some_and(|reread| reread.elapsed() < REREAD);
        if is_fresh {
            return Ok(false);
        }
        let key = self.key(tenant.as_deref());
        let record = store::read(&*scope.store, &key).await?;
        let known = Known::of(record.as_ref(), Some(Instant::now()));
        self.tenants.insert(tenant, Arc::clone(&known));
        Ok(known.has(tool, hash))
    }
}

/// A page, for the record.
struct News {
    /// No definition of what is no tool.
    definitions: Arc<Vec<Option<Definition>>>,
    is_first: bool,
    is_last: bool,
    list_end: Option<ListEnd>,
    sent: SentSecrets,
}

/// The end of a list whose pages are known.
struct ListEnd {
    names: HashSet<String>,
    /// What the connection had listed before, where others may list other tools.
    before: Option<HashSet<String>>,
}
