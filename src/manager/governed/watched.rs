//! A call as hooks and the audit are told of it.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::connection::Params;
use crate::error::{Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::governance::{CallRecord, Decision, Rule, digest_of};
use crate::hex;
use crate::host::{Tenancy, tenant_of};

pub(super) const TOOL_CALL: &str = "tools/call";
pub(super) const ARGUMENTS: &str = "arguments";
pub(super) const TASK_RESULT: &str = "tasks/result";
/// Its answer has the result of a task that has ended (MCP 2026-07-28).
const TASK_STATUS: &str = "tasks/get";
/// How long the host is asked for the tenant of a call that has ended.
const TENANT_LIMIT: Duration = Duration::from_secs(2);

/// The call that is decided on.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub server_name: &'a str,
    pub user_id: Option<&'a str>,
    /// Of `tools/call`. The tool is the one that the caller names, and the server's own name of it as soon as that is known.
    pub params: Params<'a>,
}

impl<'a> Subject<'a> {
    #[must_use]
    pub fn tool_name(&self) -> Option<&'a str> {
        self.params.tool_name(TOOL_CALL)
    }
}

/// A request about a task.
#[derive(Clone, Copy)]
pub struct AskedByHand<'a> {
    pub method: &'static str,
    pub task_id: &'a str,
}

impl<'a> AskedByHand<'a> {
    /// `None` for other requests. No param of the request is one of a call.
    pub fn of(method: &str, subject: &mut Subject<'a>) -> Option<Self> {
        let mut known = [TASK_RESULT, TASK_STATUS].into_iter();
        let method = known.find(|it| *it == method)?;
        let params = std::mem::replace(&mut subject.params, Params::None);
        let task_id = match params {
            Params::Members(members) => members.get("taskId").and_then(Value::as_str),
            _ => None,
        };
        let task_id = task_id.unwrap_or_default();
        Some(Self { method, task_id })
    }
}

/// What hooks and the audit are told of a call.
pub struct Watched {
    pub call_id: String,
    pub began: Instant,
    /// For its turn.
    pub waited: Duration,
    /// The server's own name, once it is known.
    pub tool_name: Option<String>,
    /// The same for the audit: a server may have named its tool by what it was sent.
    pub shown_name: Option<String>,
    pub tenant_id: Option<String>,
    /// The host has said which.
    pub knows_tenant: bool,
    /// In place of the caller's.
    pub arguments: Option<Box<RawValue>>,
    /// All params with these arguments, where the caller gave them so.
    pub members: Option<Map<String, Value>>,
    /// Absent: one.
    pub weight: Option<f64>,
    pub decision: Decision,
    pub rule: Option<Rule>,
    /// Of what the server answered.
    pub result_bytes: Option<usize>,
}

impl Watched {
    pub fn begin() -> Box<Self> {
        Box::new(Self {
            call_id: hex::encode(&rand::random::<[u8; 16]>()),
            began: Instant::now(),
            waited: Duration::ZERO,
            tool_name: None,
            shown_name: None,
            tenant_id: None,
            knows_tenant: false,
            arguments: None,
            members: None,
            weight: None,
            decision: Decision::Allowed,
            rule: None,
            result_bytes: None,
        })
    }

    /// Those that are sent.
    pub fn params<'p>(&'p self, given: Params<'p>) -> Params<'p> {
        match (&self.members, &self.arguments, given) {
            (Some(members), ..) => Params::Members(members),
            (None, Some(arguments), Params::Tool { name, .. }) => Params::Tool {
                name,
                arguments: Some(arguments),
            },
            _ => given,
        }
    }

    /// The record of the call. `outcome` is `ok`, `tool_error` or the code of an error.
    pub async fn record(
        self: Box<Self>,
        subject: Subject<'_>,
        tenancy: Option<&dyn Tenancy>,
        outcome: &str,
    ) -> String {
        let tenant_id = if self.knows_tenant {
            self.tenant_id
        } else {
            let answer = tokio::time::timeout(TENANT_LIMIT, tenant_of(tenancy)).await;
            answer.ok().and_then(Result::ok).flatten()
        };
        let params = subject.params;
        let arguments = match self.arguments.as_deref() {
            Some(sent) => Some(Cow::Borrowed(sent)),
            None => arguments_of(params).ok().flatten(),
        };
        let digest = arguments.and_then(|it| digest_of(it.get()));
        let (decision, rule) = match Rule::of_code(outcome) {
            Some(rule) => (Decision::Refused, Some(rule)),
            None => (self.decision, self.rule),
        };
        let told = |name: &str| foreign_text(name, &SentSecrets::default());
        let named = || told(subject.tool_name().unwrap_or_default());
        let record = CallRecord {
            call_id: &self.call_id,
            tenant_id: tenant_id.as_deref(),
            user_id: subject.user_id,
            server_name: &told(subject.server_name),
            tool_name: &self.shown_name.unwrap_or_else(named),
            arguments_digest: digest.as_deref(),
            decision,
            rule,
            outcome,
            duration: self.began.elapsed(),
            waited: self.waited,
            result_bytes: self.result_bytes,
        };
        record.to_json()
    }
}

/// The arguments of a call, as JSON.
pub(super) fn arguments_of(params: Params<'_>) -> Result<Option<Cow<'_, RawValue>>> {
    match params {
        Params::None => Ok(None),
        Params::Tool { arguments, .. } => Ok(arguments.map(Cow::Borrowed)),
        Params::Members(members) => {
            let arguments = members.get(ARGUMENTS).map(to_raw_value).transpose();
            let arguments = arguments.map_err(|_| Error::internal())?;
            Ok(arguments.map(Cow::Owned))
        }
    }
}
