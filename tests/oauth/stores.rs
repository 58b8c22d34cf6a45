//! The stores and locks of a host, in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use librechat_mcp_native::connection::{AccessTokens, now_ms};
use librechat_mcp_native::embedded::MemoryFlows;
use librechat_mcp_native::error::{Code, Error, Result};
use librechat_mcp_native::host::{
    CredentialSet, Expiry, FlowState, FlowStore, LeaseOptions, Lock, LockGuard, TokenData,
    TokenQuery, TokenRow, TokenStore, TokenUpdate,
};
use librechat_mcp_native::oauth::Authorizer;
use parking_lot::Mutex;
use serde_json::{Map, Value};

/// Rows with the semantics of `LibreChat`'s token methods.
#[derive(Default)]
pub struct MemoryTokens {
    pub rows: Mutex<Rows>,
    /// So many writes fail before one works.
    pub failing_writes: Mutex<usize>,
    pub fault: Mutex<Option<Fault>>,
    /// As `LibreChat` of June 2026, where `MongoDB` takes what it does not know for a member that no row has.
    pub knows_no_sets: AtomicBool,
    ignored: AtomicBool,
    /// The updates that were asked for, whether they found their row or not.
    pub updates: Mutex<Vec<TokenQuery>>,
    pub meanwhile: Mutex<Option<Meanwhile>>,
    /// So many reads are over before their answer is heard.
    pub unheard_reads: AtomicUsize,
}

pub type Rows = HashMap<String, TokenRow>;

/// What others do, once, just before a row of this kind is read or updated.
pub struct Meanwhile {
    pub kind: &'static str,
    pub does: Box<dyn FnOnce(&mut Rows) + Send>,
}

/// What happens at writes, counted from now on.
pub struct Fault {
    /// How many work before it.
    pub after: usize,
    /// How many do not.
    pub times: usize,
    /// They are carried out, and nobody is told.
    pub unanswered: bool,
}

/// What a process finds that was held up for longer than its host may take.
fn unheard_of() -> Error {
    Error::new(Code::HostTimeout, "no answer in time")
}

fn is_away<T>() -> Result<T> {
    Err(Error::new(Code::HostError, "the database is away"))
}

impl MemoryTokens {
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.rows.lock().keys().cloned().collect();
        kinds.sort();
        kinds
    }

    pub fn expire_access(&self) {
        self.expire_access_in(-1);
    }

    pub fn expire_access_in(&self, milliseconds: i64) {
        let mut rows = self.rows.lock();
        rows.get_mut("mcp_oauth").unwrap().expires_at = Some(now_ms() + milliseconds);
    }

    /// Before this kind of row is touched.
    fn touch(&self, kind: &str) {
        let next = self.meanwhile.lock().take_if(|next| next.kind == kind);
        if let Some(next) = next {
            (next.does)(&mut self.rows.lock());
        }
    }

    /// Fails where nothing is written; whether the answer is lost.
    fn write(&self) -> Result<bool> {
        if let Some(fault) = &mut *self.fault.lock() {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return if fault.unanswered {
                    Ok(true)
                } else {
                    is_away()
                };
            }
        }
        let mut failing = self.failing_writes.lock();
        if *failing > 0 {
            *failing -= 1;
            return is_away();
        }
        Ok(false)
    }
}

fn answer<T>(value: T, is_lost: bool) -> Result<T> {
    if is_lost { is_away() } else { Ok(value) }
}

fn is_asked(row: &TokenRow, query: &TokenQuery) -> bool {
    let of_set = match &query.credential_set {
        None => true,
        Some(CredentialSet::None) => row.credential_set_id().is_none(),
        Some(CredentialSet::Id(id)) => row.credential_set_id() == Some(id),
    };
    of_set && query.token.as_ref().is_none_or(|token| *token == row.token)
}

#[async_trait]
impl TokenStore for MemoryTokens {
    fn compares_sets(&self) -> bool {
        !self.ignored.load(Ordering::Relaxed)
    }

    fn ignore_sets(&self) {
        self.ignored.store(true, Ordering::Relaxed);
    }

    async fn find(&self, query: &TokenQuery) -> Result<Option<TokenRow>> {
        self.touch(&query.kind);
        let less = |left: usize| left.checked_sub(1);
        let (order, unheard) = (Ordering::Relaxed, &self.unheard_reads);
        if unheard.fetch_update(order, order, less).is_ok() {
            return Err(unheard_of());
        }
        Ok(self.rows.lock().get(&query.kind).cloned())
    }

    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        let is_lost = self.write()?;
        let row = TokenRow {
            token: data.token.clone(),
            expires_at: Some(now_ms() + data.expires_in * 1000),
            created_at: Some(now_ms()),
            metadata: data.metadata.clone(),
        };
        self.rows.lock().insert(query.kind.clone(), row);
        answer((), is_lost)
    }

    async fn update(&self, query: &TokenQuery, update: &TokenUpdate) -> Result<bool> {
        self.touch(&query.kind);
        self.updates.lock().push(query.clone());
        if self.knows_no_sets.load(Ordering::Relaxed) && query.credential_set.is_some() {
            return Ok(false);
        }
        let is_lost = self.write()?;
        let mut rows = self.rows.lock();
        let row = rows.get_mut(&query.kind).filter(|row| is_asked(row, query));
        let Some(row) = row else {
            return Ok(false);
        };
        if let Some(token) = &update.token {
            row.token = token.clone();
        }
        match update.expiry {
            None => {}
            Some(Expiry::In(seconds)) => row.expires_at = Some(now_ms() + seconds * 1000),
            Some(Expiry::At(time)) => row.expires_at = Some(time),
        }
        if let Some(metadata) = &update.metadata {
            row.metadata = Some(metadata.clone());
        }
        answer(true, is_lost)
    }

    async fn delete(&self, query: &TokenQuery) -> Result<bool> {
        let is_lost = self.write()?;
        let mut rows = self.rows.lock();
        let there = rows
            .get(&query.kind)
            .is_some_and(|row| is_asked(row, query));
        if there {
            rows.remove(&query.kind);
        }
        answer(there, is_lost)
    }
}

/// Flows that several runtimes share, as a cache in Redis does it.
#[derive(Default)]
pub struct SharedFlows {
    inner: MemoryFlows,
    /// Makes flows look older than they are.
    pub age: Mutex<i64>,
    /// Where there are any.
    pub leases: Option<Leases>,
}

impl SharedFlows {
    pub fn with(leases: Leases) -> Self {
        Self {
            leases: Some(leases),
            ..Self::default()
        }
    }
}

/// Leases whose time does not end, by their ids.
#[derive(Clone, Default)]
pub struct Leases(Arc<Mutex<HashMap<String, LeaseState>>>, Arc<AtomicBool>);

#[derive(Default)]
struct LeaseState {
    generation: i64,
    is_held: bool,
}

impl Leases {
    /// Whatever was begun before is of no use any more.
    pub fn tear_down(&self) {
        for state in self.0.lock().values_mut() {
            state.generation += 1;
        }
    }

    pub fn set_away(&self, are_away: bool) {
        self.1.store(are_away, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.1.load(Ordering::Relaxed) {
            return Err(away());
        }
        Ok(())
    }

    pub fn are_held(&self) -> bool {
        self.0.lock().values().any(|state| state.is_held)
    }

    /// The ids that were asked for.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.0.lock().keys().cloned().collect();
        ids.sort();
        ids
    }
}

struct HeldLease(Leases, String);

#[async_trait]
impl LockGuard for HeldLease {
    async fn release(self: Box<Self>) -> Result<()> {
        self.0.0.lock().get_mut(&self.1).unwrap().is_held = false;
        Ok(())
    }
}

#[async_trait]
impl FlowStore for SharedFlows {
    async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>> {
        let flow = self.inner.get(flow_id, kind).await?;
        let age = *self.age.lock();
        Ok(flow.map(|flow| FlowState {
            created_at: flow.created_at.map(|time| time - age),
            ..flow
        }))
    }

    async fn init(&self, flow_id: &str, kind: &str, metadata: &Map<String, Value>) -> Result<()> {
        *self.age.lock() = 0;
        self.inner.init(flow_id, kind, metadata).await
    }

    async fn complete(&self, flow_id: &str, kind: &str, result: &Value) -> Result<()> {
        self.inner.complete(flow_id, kind, result).await
    }

    async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()> {
        self.inner.fail(flow_id, kind, error).await
    }

    async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool> {
        self.inner.delete(flow_id, kind).await
    }

    async fn has_leases(&self) -> Result<bool> {
        Ok(self.leases.is_some())
    }

    async fn lease_generation(&self, lease_id: &str) -> Result<Option<i64>> {
        let leases = self.leases.as_ref().unwrap();
        leases.check()?;
        let leases = leases.0.lock();
        let state = leases.get(lease_id);
        Ok(Some(state.map_or(0, |state| state.generation)))
    }

    async fn acquire_lease(
        &self,
        lease_id: &str,
        options: LeaseOptions,
    ) -> Result<Option<Box<dyn LockGuard>>> {
        let all = self.leases.clone().unwrap();
        all.check()?;
        let mut leases = all.0.lock();
        let state = leases.entry(lease_id.to_owned()).or_default();
        let is_other = |expected| expected != state.generation;
        if state.is_held || options.expected_generation.is_some_and(is_other) {
            return Ok(None);
        }
        state.is_held = true;
        drop(leases);
        Ok(Some(Box::new(HeldLease(all, lease_id.to_owned()))))
    }
}

fn away() -> Error {
    Error::new(Code::HostError, "the store is away")
}

/// A lock that several runtimes share.
#[derive(Clone, Default)]
pub struct MemoryLock {
    held: Arc<Mutex<Option<String>>>,
    is_away: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    meanwhile: Option<Authorizer>,
}

impl MemoryLock {
    /// One whose store cannot be reached.
    pub fn away() -> Self {
        let lock = Self::default();
        lock.set_away(true);
        lock
    }

    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// How often somebody has asked for it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whoever asks for it is held up, for so long that another process refreshes.
    pub fn holding_up(other: Authorizer) -> Self {
        Self {
            meanwhile: Some(other),
            ..Self::default()
        }
    }
}

#[async_trait]
impl Lock for MemoryLock {
    async fn acquire(&self, key: &str, _ttl: Duration) -> Result<Option<Box<dyn LockGuard>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            return Err(away());
        }
        if let Some(other) = &self.meanwhile {
            other.current().await?;
            return Err(unheard_of());
        }
        let mut held = self.held.lock();
        if held.is_some() {
            return Ok(None);
        }
        *held = Some(key.to_owned());
        Ok(Some(Box::new(self.clone())))
    }
}

#[async_trait]
impl LockGuard for MemoryLock {
    async fn release(self: Box<Self>) -> Result<()> {
        *self.held.lock() = None;
        Ok(())
    }
}
