//! Telling operators what servers have changed.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;

use super::record::Change;
use crate::error::Error;
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::governance::audit_record::VERSION;
use crate::log::Logger;
use crate::telemetry::Metrics;
use crate::trace::{Object, time};

/// Differences in one line of the log, and the longest value of them, in bytes.
const MOST: usize = 5;
const LONGEST: usize = 120;

/// Who hears of what.
#[derive(Clone)]
pub struct Reporter {
    pub server_name: String,
    /// Before each line of the log.
    pub prefix: String,
    pub logger: Logger,
    pub metrics: Arc<Metrics>,
}

impl Reporter {
    /// `sent`: what the server was sent and may have put into its tools.
    pub fn report(&self, changes: &[Change], blocks: bool, sent: &SentSecrets) {
        for change in changes {
            self.metrics.tools_changed(&self.server_name, change.kind);
            let name = cleaned(&change.name, sent);
            let what = match change.kind {
                "removed" => format!("The tool {name} is gone; it stays approved"),
                "changed" => format!(
                    "The tool {name} is not what was approved{}",
                    diffs(change, sent)
                ),
                _ => format!("The tool {name} is new"),
            };
            let findings = if change.findings.is_empty() {
                String::new()
            } else {
                format!("; its texts have {}", change.findings.join(", "))
            };
            let blocked = if blocks && change.kind != "removed" {
                "; it is hidden until it is approved"
            } else {
                ""
            };
            let message = format!("{} {what}{findings}{blocked}", self.prefix);
            self.logger.warn(message);
        }
    }

    pub fn failed(&self, error: &Error) {
        let message = format!(
            "{} Nobody knows whether the tools are as they were approved: {error}",
            self.prefix
        );
        self.logger.warn(message);
    }
}

/// What the audit keeps, as JSON.
pub fn record_of(
    event: &str,
    tenant: Option<&str>,
    server_name: &str,
    changes: &[Change],
    sent: &SentSecrets,
    approved_by: Option<&str>,
) -> String {
    let tools: Vec<_> = changes.iter().map(|it| tool_of(it, sent)).collect();
    let mut record = Object::new();
    record.raw("v", &VERSION).text("event", event);
    record.text("at", &time(SystemTime::now()));
    record.optional("tenantId", tenant).optional("userId", None);
    record.text("serverName", server_name);
    record.optional("approvedBy", approved_by);
    record.raw("tools", &format_args!("[{}]", tools.join(",")));
    record.end()
}

fn tool_of(change: &Change, sent: &SentSecrets) -> String {
    let mut tool = Object::new();
    tool.text("name", &foreign_text(&change.name, sent));
    tool.text("change", change.kind).text("hash", &change.hash);
    if !change.findings.is_empty() {
        tool.raw("findings", &json!(change.findings));
    }
    tool.end()
}

fn diffs(change: &Change, sent: &SentSecrets) -> String {
    let side = |text: &Option<String>| {
        text.as_deref()
            .map_or_else(|| "nothing".to_owned(), |text| cleaned(text, sent))
    };
    let mut text = String::new();
    for (index, it) in change.diff.iter().take(MOST).enumerate() {
        let mark = if index == 0 { ": " } else { "; " };
        let (before, after) = (side(&it.before), side(&it.after));
        // Writing to a string cannot fail.
        let _ = write!(text, "{mark}{} {before} → {after}", cleaned(&it.path, sent));
    }
    if change.diff.len() > MOST {
        let _ = write!(text, "; and {} more", change.diff.len() - MOST);
    }
    text
}

fn cleaned(text: &str, sent: &SentSecrets) -> String {
    // Before the cut, which may go through a secret.
    let mut text = foreign_text(text, sent);
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}
