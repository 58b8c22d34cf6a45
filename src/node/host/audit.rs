//! `onAudit` and `MCP_NATIVE_AUDIT`: each record of the audit is kept before the caller hears of the outcome.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::blocking::blocking;
use crate::error::{Code, Error, Result};
use crate::governance::AuditFile;
use crate::host::{Audit, Logger};
use crate::node::engine::{JsResult, Present, Scope};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::context::CallContext;

/// The member of the host's services.
const ON_AUDIT: &str = "onAudit";
/// The file that gets a line for each record.
const AUDIT_VARIABLE: &str = "MCP_NATIVE_AUDIT";
/// A caller waits no longer than this for a record to be kept.
const LIMIT: Duration = Duration::from_secs(5);
/// How often the log tells of records that were not kept.
const TELL_EVERY: Duration = Duration::from_mins(1);

const AUDIT: Callback<(), ()> = Callback::new(ON_AUDIT, LIMIT);

/// What all calls of a runtime share.
#[derive(Default)]
pub struct AuditTrail {
    file: Option<Arc<AuditFile>>,
    /// Records that the file, and the host, did not take.
    unwritten: Losses,
    unheard: Losses,
}

impl AuditTrail {
    /// What the operator wants, and why there is no file yet although there is to be one.
    pub fn read(scope: Scope<'_>) -> JsResult<'_, (Self, Option<String>)> {
        let variables = scope.global()?.get("process")?.get("env")?;
        let path = variables.get(AUDIT_VARIABLE)?.as_string();
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Ok(Default::default());
        };
        let (file, opened) = AuditFile::open(Path::new(&path));
        let warning = opened.err().map(|error| {
            format!("[MCP] {AUDIT_VARIABLE}: nothing can be written to {path} now: {error}")
        });
        let trail = Self {
            file: Some(Arc::new(file)),
            ..Self::default()
        };
        Ok((trail, warning))
    }

    /// As a call sees it. `None` where nobody keeps an audit.
    pub fn of_call(
        self: &Arc<Self>,
        context: &Arc<CallContext>,
        present: Present,
        logger: &Logger,
    ) -> Option<Arc<dyn Audit>> {
        let listens = present.has(ON_AUDIT);
        let is_kept = listens || self.file.is_some();
        is_kept.then(|| {
            Arc::new(NodeAudit {
                trail: Arc::clone(self),
                context: Arc::clone(context),
                listens,
                logger: logger.clone(),
            }) as _
        })
    }
}

/// Those that the log has not told of.
#[derive(Default)]
struct Losses(Mutex<(u64, Option<Instant>)>);

impl Losses {
    /// Counts one more, and says how many there are if the log is to tell of them now.
    fn count(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let (count, told) = &mut *state;
        *count += 1;
        if told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return None;
        }
        *told = Some(Instant::now());
        Some(std::mem::take(count))
    }
}

struct NodeAudit {
    trail: Arc<AuditTrail>,
    context: Arc<CallContext>,
    listens: bool,
    logger: Logger,
}

impl NodeAudit {
    /// The operator hears of it, and the call goes on.
    fn lost(&self, name: &'static str, losses: &Losses, error: &Error) {
        self.context.realm.metrics.callback_failed(name);
        if let Some(count) = losses.count() {
            let what = if count == 1 { "record" } else { "records" };
            self.logger.error(format!(
                "[MCP] {name}: {count} {what} of the audit could not be kept: {}",
                error.message
            ));
        }
    }

    async fn write(&self, file: &Arc<AuditFile>, record: String) -> Result<()> {
        let file = Arc::clone(file);
        let written = blocking(spawn_blocking(move || file.append(&record)));
        let late = |_| Error::new(Code::HostTimeout, "the disk takes too long");
        let written = timeout(LIMIT, written).await.map_err(late)??;
        let written = written.map_err(|_| Error::internal())?;
        written.map_err(|error| Error::new(Code::HostError, error.to_string()))
    }

    async fn tell(&self, record: String) -> Result<()> {
        let told = AUDIT.call_by(&self.context, move |context, scope| {
            let host = context.host(scope);
            context.apply(host.get(ON_AUDIT)?, host, &[scope.parse_json(&record)?])
        });
        told.await
    }
}

#[async_trait]
impl Audit for NodeAudit {
    async fn keep(&self, record: String) {
        let trail = &self.trail;
        let write = async {
            if let Some(file) = &trail.file
                && let Err(error) = self.write(file, record.clone()).await
            {
                self.lost(AUDIT_VARIABLE, &trail.unwritten, &error);
            }
        };
        let tell = async {
            if self.listens
                && let Err(error) = self.tell(record.clone()).await
            {
                self.lost(ON_AUDIT, &trail.unheard, &error);
            }
        };
        tokio::join!(write, tell);
    }
}
