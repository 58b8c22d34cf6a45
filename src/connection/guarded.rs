//! Requests that operators have rules for: lists of tools, and their calls.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::established::Connection;
use super::options::CallOptions;
use super::pages::CURSOR;
use super::tools::list_tools_in_order;
use crate::error::{Code, Error, Result};
use crate::governance::{Admission, Guard, Listing, UNLISTED};
use crate::transport::message::Params;

/// Methods that rules of operators, their hooks and the audit are about.
const RULED: [&str; 4] = ["tools/call", "tools/list", "tasks/get", "tasks/result"];

/// Fails for a method that a server may take for one of these although nothing here does.
pub(super) fn check_method(method: &str) -> Result<()> {
    if RULED.contains(&method) {
        return Ok(());
    }
    let counts = |it: &char| it.is_alphabetic() || *it == '_';
    let letters = || method.chars().filter(counts).flat_map(char::to_lowercase);
    let like = |ruled: &&str| letters().eq(ruled.chars().filter(counts));
    match RULED.into_iter().find(like) {
        Some(ruled) => Err(Error::new(
            Code::InvalidArgument,
            format!("A method that a server may take for {ruled} has to be written like that"),
        )),
        None => Ok(()),
    }
}

impl Connection {
    /// [`Connection::request`], as the guard allows.
    pub(super) async fn guarded(
        &self,
        guard: &Guard,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if method == "tools/call" {
            self.admitted(guard, params.tool_name(method), options)
                .await?;
        }
        if method != "tools/list" {
            return self.whatever_is_there(method, params, options).await;
        }
        let is_first = !params.members()?.contains_key(CURSOR);
        let (changes, bearer) = (self.tools_changes(), self.recipe.bearer.get());
        let page = self.whatever_is_there(method, params, options).await?;
        let headers = options.headers_of(method).map(Arc::as_ref);
        let listing = Listing {
            is_first,
            changes,
            sent: self.recipe.sent_secrets(bearer, headers),
        };
        let shown = guard.shown(page, listing, options.pins.as_deref());
        options.bound_by(shown, late).await
    }

    /// Fails for a tool that is not there, having listed the tools where nobody could tell.
    pub async fn admitted(
        &self,
        guard: &Guard,
        tool: Option<&str>,
        options: &CallOptions,
    ) -> Result<()> {
        if self.admission(guard, tool, None, options).await? == Admission::Granted {
            return Ok(());
        }
        let Some(pins) = &guard.pins else {
            return Ok(());
        };
        let turn = pins.turn_to_list(options.pins.as_deref());
        let _turn = options.bound_by(turn, late).await?;
        // Somebody else may have listed meanwhile.
        if self.admission(guard, tool, None, options).await? == Admission::AfterList {
            let quiet = CallOptions {
                progress: None,
                kept: None,
                sent_id: None,
                ..options.clone()
            };
            let list = Box::pin(list_tools_in_order(self, &quiet)).await?;
            let unlisted = match &list.incomplete {
                Some(why) => Cow::Owned(format!(
                    "it is not in the part of the list that was read: {why}"
                )),
                None => Cow::Borrowed(UNLISTED),
            };
            self.admission(guard, tool, Some(&unlisted), options)
                .await?;
        }
        Ok(())
    }

    async fn admission(
        &self,
        guard: &Guard,
        tool: Option<&str>,
        after_list: Option<&str>,
        options: &CallOptions,
    ) -> Result<Admission> {
        let pins = options.pins.as_deref();
        let admission = guard.check(tool, self.tools_changes(), after_list, pins);
        options.bound_by(admission, late).await
    }
}

fn late() -> Error {
    Error::timeout("Whether the tools are approved could not be found out in time")
}
