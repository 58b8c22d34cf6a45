//! Records in the host's store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::timeout;

use super::record::{Approval, Change, LONGEST_RECORD, Record};
use super::report::record_of;
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::foreign_text::SentSecrets;
use crate::host::{Audit, Host, Tenancy, ToolPins, tenant_of};
use crate::server_config::{Pinning, ToolRules};

/// Processes that change a record at the same time take turns. More of them than this are no such processes.
const TRIES: usize = 20;

/// How long the store may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often tools were approved by this process: what others have read of a record is out of date then.
static APPROVALS: AtomicU64 = AtomicU64::new(0);

pub(super) fn approvals() -> u64 {
    APPROVALS.load(Ordering::Relaxed)
}

/// The host's store as one call sees it, and whose call that is.
#[derive(Clone)]
pub struct PinScope {
    pub store: Arc<dyn ToolPins>,
    pub tenancy: Option<Arc<dyn Tenancy>>,
    /// Hears of what servers have changed, and of what is approved.
    pub audit: Option<Arc<dyn Audit>>,
}

impl PinScope {
    #[must_use]
    pub fn of(host: &Host) -> Self {
        Self {
            store: Arc::clone(&host.tool_pins),
            tenancy: host.tenancy.clone(),
            audit: host.audit.clone(),
        }
    }

    /// The same for calls that stand under rules which pin; `own` are the server's.
    #[must_use]
    pub fn of_call(host: &Host, own: Option<&ToolRules>) -> Option<Arc<Self>> {
        // Whose rules are not known lists and calls nothing.
        let all = host.tool_rules().ok().flatten();
        let (_, pins) = ToolRules::listing(own, all.map(Arc::as_ref));
        pins.filter(|pins| *pins != Pinning::Off)
            .map(|_| Arc::new(Self::of(host)))
    }

    pub(super) async fn tell(
        &self,
        event: &str,
        tenant: Option<&str>,
        server_name: &str,
        changes: &[Change],
        sent: &SentSecrets,
        approved_by: Option<&str>,
    ) {
        if let (Some(audit), false) = (&self.audit, changes.is_empty()) {
            let record = record_of(event, tenant, server_name, changes, sent, approved_by);
            audit.keep(record).await;
        }
    }

    pub(super) async fn tenant(&self) -> Result<Option<String>> {
        tenant_of(self.tenancy.as_deref()).await
    }
}

/// Which record: of a tenant and a server, which has an identity of its own where it is no operator's (`ServerConfig::identity`).
#[must_use]
pub fn key(tenant: Option<&str>, server_name: &str, identity: Option<&str>) -> String {
    let parts = [
        tenant.unwrap_or_default(),
        server_name,
        identity.unwrap_or_default(),
    ];
    Value::from(parts.as_slice()).to_string()
}

/// `None` where the server has not been seen.
pub(super) async fn read(store: &dyn ToolPins, key: &str) -> Result<Option<Record>> {
    let text = bounded(store.get(key)).await?;
    text.map(|text| Record::parse(&text).ok_or_else(|| damaged(key)))
        .transpose()
}

/// Changes a record in one step; `change` says whether it did, and may be asked again.
pub(super) async fn update(
    store: &dyn ToolPins,
    key: &str,
    change: &mut (dyn FnMut(&mut Record) -> bool + Send),
) -> Result<Record> {
    for _ in 0..TRIES {
        let text = bounded(store.get(key)).await?;
        let mut record = match &text {
            Some(text) => Record::parse(text).ok_or_else(|| damaged(key))?,
            None => Record::begun(now_ms()),
        };
        if !change(&mut record) && text.is_some() {
            return Ok(record);
        }
        let next = record.to_text();
        if next.len() > LONGEST_RECORD {
            let message = format!("The record of approved tools {key} would be too long");
            return Err(Error::new(Code::HostError, message));
        }
        let set = store.compare_and_set(key, text.as_deref(), &next);
        match bounded(set).await {
            Ok(true) => return Ok(record),
            Ok(false) => {}
            Err(error) => {
                // The answer alone may be lost: what is written then is reported by nobody else.
                let text = bounded(store.get(key)).await.ok().flatten();
                return text
                    .filter(|text| *text == next)
                    .map(|_| record)
                    .ok_or(error);
            }
        }
    }
    let message = format!("The record of approved tools {key} changes all the time");
    Err(Error::new(Code::HostError, message).with_retryable(true))
}

async fn bounded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(ANSWER_TIMEOUT, work).await.map_err(|_| {
        let seconds = ANSWER_TIMEOUT.as_secs();
        let message = format!("toolPins gave no answer within {seconds} s");
        Error::new(Code::HostTimeout, message)
    })?
}

fn damaged(key: &str) -> Error {
    let message = format!(
        "The record of approved tools {key} cannot be read. Restore it, or delete it to have the tools approved anew"
    );
    Error::new(Code::HostError, message)
}

/// What `getToolPins` says of a server: a JSON array, which is empty where it has not been seen.
///
/// # Errors
/// Those of the store; [`Code::HostError`] for a record that is damaged.
pub async fn tool_pins(
    scope: &PinScope,
    server_name: &str,
    identity: Option<&str>,
) -> Result<String> {
    let tenant = scope.tenant().await?;
    let key = key(tenant.as_deref(), server_name, identity);
    let record = read(&*scope.store, &key).await?;
    Ok(record.map_or_else(|| "[]".to_owned(), |record| record.states().to_string()))
}

/// Approves definitions that wait for it: all, or those that are wanted. Returns what was approved.
///
/// # Errors
/// Those of [`tool_pins`].
pub async fn approve(
    scope: &PinScope,
    server_name: &str,
    identity: Option<&str>,
    wanted: Option<&[Approval]>,
    by: &str,
) -> Result<Vec<Change>> {
    let tenant = scope.tenant().await?;
    let key = key(tenant.as_deref(), server_name, identity);
    if read(&*scope.store, &key).await?.is_none() {
        // A record would be the end of the first sight.
        return Ok(Vec::new());
    }
    let mut approved = Vec::new();
    let mut change = |record: &mut Record| {
        approved.clear();
        record.approve(wanted, by, now_ms(), &mut approved)
    };
    update(&*scope.store, &key, &mut change).await?;
    APPROVALS.fetch_add(1, Ordering::Relaxed);
    scope
        .tell(
            "tools-approved",
            tenant.as_deref(),
            server_name,
            &approved,
            &SentSecrets::default(),
            Some(by),
        )
        .await;
    Ok(approved)
}

/// The store of a host that has none.
#[derive(Default)]
pub struct MemoryPins {
    records: Mutex<HashMap<String, String>>,
    has_warned: AtomicBool,
}

#[async_trait]
impl ToolPins for MemoryPins {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(self.records.lock().get(key).cloned())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool> {
        let mut records = self.records.lock();
        if records.get(key).map(String::as_str) != expected {
            return Ok(false);
        }
        records.insert(key.to_owned(), value.to_owned());
        Ok(true)
    }

    fn warning(&self) -> Option<&'static str> {
        (!self.has_warned.swap(true, Ordering::Relaxed)).then_some(
            "[MCP] pinTools: the host has no toolPins, so which tools are approved is forgotten with this process",
        )
    }
}
