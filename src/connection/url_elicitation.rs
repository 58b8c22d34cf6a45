//! Elicitations that send a user to a URL (SEP-1036): which of them reach the host, whom their end is told to, and the error
//! of a request that wants some of them first.

use std::collections::VecDeque;
use std::sync::OnceLock;

use parking_lot::Mutex;
use rmcp::model::{ErrorData, ProtocolVersion};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use super::caller::{Caller, ELICITATION_COMPLETE};
use super::failures::server_error;
use crate::error::Error;
use crate::nesting::{self, MAX_NESTING};
use crate::transport::message::RpcError;

/// JSON-RPC: a request is refused until the user has been to some URLs. Of 2025-11-25 alone.
const REQUIRED: i64 = -32042;

/// Bytes of a URL, and of the id of an elicitation.
const LONGEST_URL: usize = 8192;
const LONGEST_ID: usize = 1024;
/// Elicitations that one error may want, as many as one result may (`rounds.rs`).
const MOST_REQUIRED: usize = 32;
/// Bytes of what any other error carries; more is left out.
const LONGEST_DATA: usize = 64 * 1024;
/// Elicitations of a session whose end is told to whoever was asked; the oldest are forgotten.
const MOST_OPEN: usize = 256;

/// Who was asked to go to a URL, by the id of the elicitation. Takes no room before there is one.
#[derive(Default)]
pub(super) struct OpenElicitations(OnceLock<Box<Mutex<Asked>>>);

type Asked = VecDeque<(Box<str>, Caller)>;

impl OpenElicitations {
    /// Notes whom an `elicitation/create` is for, where the host hears of its end. One of a form has none that is told.
    pub fn note(&self, params: &Value, caller: &Caller) {
        let hears = caller.hears(ELICITATION_COMPLETE);
        let Some(id) = id_of(params).filter(|_| hears) else {
            return;
        };
        let mut open = self.0.get_or_init(Box::default).lock();
        open.retain(|(known, _)| **known != *id);
        if open.len() == MOST_OPEN {
            open.pop_front();
        }
        open.push_back((id.into(), caller.clone()));
    }

    /// Whoever was asked, once.
    pub fn complete(&self, id: &str) -> Option<Caller> {
        let mut open = self.0.get()?.lock();
        let index = open.iter().position(|(known, _)| **known == *id)?;
        open.remove(index).map(|(_, caller)| caller)
    }
}

/// The id of an elicitation of a URL; those of 2026-07-28 have none.
fn id_of(params: &Value) -> Option<&str> {
    let is_url = params.get("mode")?.as_str() == Some("url");
    params.get("elicitationId")?.as_str().filter(|_| is_url)
}

/// Judges the parameters of `elicitation/create`. The host gets a URL as browsers understand it, so that what it shows is
/// where the user is sent.
pub(super) fn check(params: &mut Value) -> Result<(), ErrorData> {
    let invalid = |text: &'static str| Err(ErrorData::invalid_params(text, None));
    match params.get("mode").map(|mode| mode.as_str()) {
        None | Some(Some("form")) => return Ok(()),
        Some(Some("url")) => {}
        Some(_) => return invalid("The mode of an elicitation is `form` or `url`"),
    }
    let is_id = |id: &Value| id.as_str().is_some_and(|id| id.len() <= LONGEST_ID);
    if !params.get("elicitationId").is_none_or(is_id) {
        return invalid("`elicitationId` must be a string of at most 1024 bytes");
    }
    if !params.get("message").is_some_and(Value::is_string) {
        return invalid("`message` must be a string");
    }
    let url = params
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let url = Url::parse(url).ok().filter(|_| url.len() <= LONGEST_URL);
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return invalid("`url` must be an http or https URL of at most 8192 bytes");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("`url` must not carry credentials");
    }
    params["url"] = Value::from(url.as_str());
    Ok(())
}

/// Whether the server has refused a request until the user has been to some URLs.
pub(super) fn wants_elicitations(error: &Error) -> bool {
    error.rpc_code == Some(REQUIRED) && error.data.is_some()
}

/// The server's own JSON-RPC error, with its data. One that wants elicitations has these alone, unless one of them would
/// not be passed on to anybody.
pub(super) fn error_of(answer: &RpcError, version: &ProtocolVersion) -> Error {
    let mut error = server_error(answer);
    if answer.code != REQUIRED {
        let data = answer.data.as_deref().map(RawValue::get);
        let data = data.filter(|data| data.len() <= LONGEST_DATA);
        error.data = data.and_then(|data| nesting::parse(data, MAX_NESTING).ok());
        return error;
    }
    if *version != ProtocolVersion::V_2025_11_25 {
        return error;
    }
    match required(answer.data.as_deref()) {
        Ok(elicitations) => {
            error.data = Some(Box::new(json!({ "elicitations": elicitations })));
        }
        Err(refusal) => {
            error.message = format!("{} (refused: {})", error.message, refusal.message);
        }
    }
    error
}

/// The elicitations that an error wants.
fn required(data: Option<&RawValue>) -> Result<Vec<Value>, ErrorData> {
    #[derive(Deserialize)]
    struct Data {
        elicitations: Vec<Value>,
    }
    let invalid = |text: &'static str| ErrorData::invalid_params(text, None);
    let data = data.and_then(|data| nesting::parse::<Data>(data.get(), MAX_NESTING).ok());
    let mut elicitations = data
        .map(|data| data.elicitations)
        .filter(|elicitations| !elicitations.is_empty())
        .ok_or_else(|| invalid("the error names no elicitations"))?;
    if elicitations.len() > MOST_REQUIRED {
        return Err(invalid("the error names more than 32 elicitations"));
    }
    for elicitation in &mut elicitations {
        check(elicitation)?;
        if id_of(elicitation).is_none() {
            return Err(invalid("one of its elicitations has no URL, or no id"));
        }
    }
    Ok(elicitations)
}

#[cfg(test)]
mod tests;
