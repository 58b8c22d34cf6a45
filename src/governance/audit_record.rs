//! A tool call as the audit has it, one object of JSON (`docs/governance.md`).

use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};

use super::canonical::canonical;
use crate::hex;
use crate::trace::{Object, ms, time};

/// Of the format.
pub(super) const VERSION: u8 = 1;

/// What was decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nobody had anything against it.
    Allowed,
    /// Other arguments went to the server, or another result to the caller.
    Rewritten,
    Refused,
}

/// What decided so, as the audit calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Tools,
    PinTools,
    Limits,
    OnToolCall,
    OnToolResult,
    MaxResultBytes,
}

impl Rule {
    /// The rule that refuses with errors of this code, and with no others.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "MCP_TOOL_DENIED" => Some(Self::Tools),
            "MCP_TOOL_NOT_APPROVED" => Some(Self::PinTools),
            "MCP_RESULT_TOO_LARGE" => Some(Self::MaxResultBytes),
            _ => None,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::PinTools => "pinTools",
            Self::Limits => "limits",
            Self::OnToolCall => "onToolCall",
            Self::OnToolResult => "onToolResult",
            Self::MaxResultBytes => "maxResultBytes",
        }
    }
}

/// A call that has ended.
pub struct CallRecord<'a> {
    pub call_id: &'a str,
    pub tenant_id: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub server_name: &'a str,
    pub tool_name: &'a str,
    pub arguments_digest: Option<&'a str>,
    pub decision: Decision,
    pub rule: Option<Rule>,
    pub outcome: &'a str,
    pub duration: Duration,
    /// For its turn.
    pub waited: Duration,
    /// Of what the server answered, as JSON.
    pub result_bytes: Option<usize>,
}

impl CallRecord<'_> {
    #[must_use]
    pub fn to_json(&self) -> String {
        let decision = match self.decision {
            Decision::Allowed => "allowed",
            Decision::Rewritten => "rewritten",
            Decision::Refused => "refused",
        };
        let mut line = Object::new();
        line.raw("v", &VERSION).text("event", "call");
        line.text("at", &time(SystemTime::now()));
        line.text("callId", self.call_id);
        line.optional("tenantId", self.tenant_id);
        line.optional("userId", self.user_id);
        line.text("serverName", self.server_name);
        line.text("toolName", self.tool_name);
        line.optional("argumentsDigest", self.arguments_digest);
        line.text("decision", decision);
        line.optional("rule", self.rule.map(Rule::as_str));
        line.text("outcome", self.outcome);
        line.raw("durationMs", &ms(self.duration));
        line.raw("waitedMs", &ms(self.waited));
        match &self.result_bytes {
            Some(bytes) => line.raw("resultBytes", bytes),
            None => line.raw("resultBytes", &"null"),
        };
        line.end()
    }
}

/// `sha256:` and the digest of the canonical form (RFC 8785) of a text of JSON, in hexadecimal. `None` for one that has none.
#[must_use]
pub fn digest_of(json: &str) -> Option<String> {
    let digest = digest(&SHA256, canonical(json)?.as_bytes());
    Some(format!("sha256:{}", hex::encode(digest.as_ref())))
}
