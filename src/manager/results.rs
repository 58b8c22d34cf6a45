//! Results of tools that are too large to be given whole, and reading what was kept of them.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::governed::Subject;
use super::state::Manager;
use crate::cancel::until_closed;
use crate::connection::Params;
use crate::error::{Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::governance::overflow::{Call, Reader, fit, is_of_scheme, not_found};
use crate::server_config::{Overflow, ToolRules};

impl Manager {
    /// What is given of a result under the rules of its tool; `None` where that is the result as it came.
    pub(super) fn cut_result(
        &self,
        answer: &RawValue,
        rules: &ToolRules,
        subject: &Subject<'_>,
    ) -> Result<Option<Box<RawValue>>> {
        let bound = rules
            .max_result_bytes
            .filter(|it| it.get() < answer.get().len());
        let Some(bound) = bound else {
            return Ok(None);
        };
        // A part that nobody expects is taken for a whole.
        let overflow = rules.overflow.unwrap_or(Overflow::Error);
        let tool_name = subject.tool_name().unwrap_or_default();
        let call = Call {
            server_name: subject.server_name,
            tool_name: &foreign_text(tool_name, &SentSecrets::default()),
        };
        let given = fit(answer, bound.get(), overflow, call)?;
        let how = if given.kept.is_some() {
            "resource"
        } else {
            "cut"
        };
        self.0.metrics.cut_result(subject.server_name, how);
        if let Some((id, whole)) = given.kept {
            let kept = Arc::clone(&self.0.kept_results);
            if kept.keep(id, reader(subject.user_id, subject.server_name), whole) {
                let closing = self.0.closing.clone();
                self.spawn(async move {
                    let _ = until_closed(&closing, kept.sweep()).await;
                });
            }
        }
        Ok(Some(given.answer))
    }

    /// Answers a request for a part of a result that is kept here, which nobody subscribes to; `None` for all other requests,
    /// which are the server's.
    #[must_use]
    pub fn read_kept_result(
        &self,
        (method, params): (&str, Params<'_>),
        server_name: &str,
        user_id: Option<&str>,
    ) -> Option<Result<Box<RawValue>>> {
        let uri = match params {
            Params::Members(members) => members.get("uri")?.as_str()?,
            _ => return None,
        };
        if !is_of_scheme(uri) {
            return None;
        }
        let part = match method {
            "resources/read" => self.0.kept_results.read(uri, reader(user_id, server_name)),
            "resources/subscribe" | "resources/unsubscribe" => Err(not_found()),
            _ => return None,
        };
        Some(part.and_then(|json| RawValue::from_string(json).map_err(|_| Error::internal())))
    }
}

const fn reader<'a>(user_id: Option<&'a str>, server_name: &'a str) -> Reader<'a> {
    Reader {
        user_id,
        server_name,
    }
}
