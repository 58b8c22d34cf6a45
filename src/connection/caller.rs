//! Whom a server's question is for, and the answer to it.

#![expect(
    deprecated,
    reason = "roots and sampling leave the protocol with 2026-07-28, but servers of today use them"
)]

use std::sync::Arc;

use rmcp::model::{CreateMessageResult, ElicitResult, ErrorCode, ErrorData};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::{Code, Error};
use crate::host::{Peer, ServerRequest, ServerRequests};

pub(super) const SAMPLING: &str = "sampling/createMessage";
pub(super) const ELICITATION: &str = "elicitation/create";
pub(super) const ROOTS: &str = "roots/list";
pub(super) const PING: &str = "ping";
pub(super) const LOG_MESSAGE: &str = "notifications/message";
pub(super) const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";

/// Somebody whom servers may ask: the user of a call, whose handlers run in the context of that call, or the owner of a
/// connection.
#[derive(Clone)]
pub struct Caller {
    pub peer: Peer,
    /// Absent where the host answers nothing.
    pub host: Option<Arc<dyn ServerRequests>>,
}

/// Why a request of a server has no result.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// What the server is told.
    pub told: ErrorData,
    /// What the host did wrong; absent where the server was refused.
    pub fault: Option<Box<Error>>,
}

impl Unanswered {
    /// What a request of ours fails with that could not go on without the answer.
    pub fn into_error(self) -> Error {
        let Self { told, fault } = self;
        match fault {
            Some(fault) => *fault,
            None => Error::mcp(Code::ServerError, i64::from(told.code.0), &told.message),
        }
    }
}

impl From<ErrorData> for Unanswered {
    fn from(told: ErrorData) -> Self {
        Self { told, fault: None }
    }
}

impl Caller {
    /// Whether the host answers this method.
    pub(super) fn answers(&self, method: &str) -> bool {
        matches!(method, SAMPLING | ELICITATION | ROOTS)
            && self.host.as_ref().is_some_and(|host| host.handles(method))
    }

    /// Whether the host wants to hear of this notification.
    pub(super) fn hears(&self, method: &str) -> bool {
        let host = self.host.as_ref();
        host.is_some_and(|host| host.handles(method))
    }

    /// The answer to a request of a server, with or without the host.
    ///
    /// Results are what the host gave, once it was seen that they are of the method's shape. Dropping the future tells the
    /// host that nobody wants them any more.
    pub(super) async fn reply(&self, request: ServerRequest<'_>) -> Result<Value, Unanswered> {
        if !self.answers(request.method) {
            return Ok(reply_without_host(request.method)?);
        }
        match request.method {
            ROOTS => self.ask::<Roots>(request).await,
            SAMPLING => self.ask::<CreateMessageResult>(request).await,
            _ => {
                let method = request.method;
                let is_url = request.params.get("mode").is_some_and(|mode| mode == "url");
                let schema = request.params.get("requestedSchema");
                let schema = schema.cloned().unwrap_or_default();
                let mut answer = self.ask::<Value>(request).await?;
                if is_url {
                    // What users enter at a URL is between them and the server.
                    answer.as_object_mut().map(|it| it.shift_remove("content"));
                } else {
                    fill_defaults(&mut answer, &schema);
                }
                checked::<ElicitResult>(method, answer)
            }
        }
    }

    /// The host's answer to a request of the server, both in MCP's own shapes.
    async fn ask<R: DeserializeOwned>(
        &self,
        mut request: ServerRequest<'_>,
    ) -> Result<Value, Unanswered> {
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| ErrorData::internal_error("No handler for this request", None))?;
        match &request.params {
            Value::Object(_) => {}
            Value::Null => request.params = Value::Object(Map::new()),
            _ => return Err(ErrorData::invalid_params("Unreadable parameters", None).into()),
        }
        let method = request.method;
        let answer = host
            .answer(&self.peer, request)
            .await
            // What the host threw is nobody's business but the host's.
            .map_err(|fault| Unanswered {
                told: ErrorData::internal_error(
                    format!("No answer ({})", fault.code.as_str()),
                    None,
                ),
                fault: Some(Box::new(fault)),
            })?;
        checked::<R>(method, answer)
    }
}

/// The answer to a request that no host is asked about.
pub(super) fn reply_without_host(method: &str) -> Result<Value, ErrorData> {
    match method {
        PING => Ok(json!({})),
        ROOTS => Ok(json!({ "roots": [] })),
        other => Err(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            other.to_owned(),
            None,
        )),
    }
}

/// The result of `roots/list`, as far as a client has to give it.
#[derive(serde::Deserialize)]
struct Roots {
    #[serde(rename = "roots")]
    _roots: Vec<Value>,
}

fn checked<R: DeserializeOwned>(method: &str, answer: Value) -> Result<Value, Unanswered> {
    if R::deserialize(&answer).is_ok() {
        return Ok(answer);
    }
    let wrong = wrong_member(method, &answer);
    let text = format!("The host's answer to {method} is invalid: {wrong}");
    Err(Unanswered {
        told: ErrorData::internal_error(text.clone(), None),
        fault: Some(Box::new(Error::new(Code::HostError, text))),
    })
}

/// What is wrong with a host's answer. It may be a user's, so that nothing of it is quoted.
fn wrong_member(method: &str, answer: &Value) -> &'static str {
    let is_one_of = |name: &str, allowed: &[&str]| {
        let value = answer.get(name).and_then(Value::as_str);
        value.is_some_and(|value| allowed.contains(&value))
    };
    match method {
        _ if !answer.is_object() => "it must be an object",
        ROOTS => "`roots` must be an array",
        ELICITATION if !is_one_of("action", &["accept", "decline", "cancel"]) => {
            "`action` must be `accept`, `decline` or `cancel`"
        }
        ELICITATION => "`_meta` must be an object",
        _ if !answer.get("model").is_some_and(Value::is_string) => "`model` must be a string",
        _ if !is_one_of("role", &["assistant", "user"]) => "`role` must be `assistant` or `user`",
        _ => "`content` must be content of a message, and `stopReason` a string",
    }
}

/// Fields of an accepted form that the user left out take the defaults of the schema (MCP, chapter "Elicitation").
fn fill_defaults(answer: &mut Value, schema: &Value) {
    if answer.get("action").and_then(Value::as_str) != Some("accept") {
        return;
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let Some(answer) = answer.as_object_mut() else {
        return;
    };
    let content = answer.entry("content").or_insert_with(|| json!({}));
    let Some(content) = content.as_object_mut() else {
        return;
    };
    for (name, property) in properties {
        if let Some(default) = property.get("default") {
            content.entry(name).or_insert_with(|| default.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_member_that_is_wrong_is_named_and_nothing_is_quoted() {
        let elicited = |answer| checked::<ElicitResult>(ELICITATION, answer);
        let sampled = |answer| checked::<CreateMessageResult>(SAMPLING, answer);
        let rooted = |answer| checked::<Roots>(ROOTS, answer);
        for (outcome, wrong) in [
            (elicited(json!("s3cret")), "it must be an object"),
            (elicited(json!({ "action": "s3cret" })), "`action`"),
            (
                elicited(json!({ "action": "accept", "_meta": "s3cret" })),
                "`_meta`",
            ),
            (rooted(json!({ "roots": "s3cret" })), "`roots`"),
            (sampled(json!({ "role": "assistant" })), "`model`"),
            (sampled(json!({ "model": "m", "role": "s3cret" })), "`role`"),
            (
                sampled(json!({ "model": "m", "role": "assistant", "content": "s3cret" })),
                "`content`",
            ),
        ] {
            let unanswered = outcome.unwrap_err();
            let message = &unanswered.told.message;
            assert!(message.contains(wrong), "{message}");
            assert!(!message.contains("s3cret"), "{message}");
            assert_eq!(unanswered.into_error().code, Code::HostError);
        }
        assert!(elicited(json!({ "action": "decline" })).is_ok());
    }

    #[test]
    fn defaults_fill_what_the_user_left_out() {
        let schema = json!({ "properties": {
            "name": { "type": "string", "default": "Ann" },
            "age": { "type": "integer", "default": 30 },
            "free": { "type": "string" },
        } });
        let mut accepted = json!({ "action": "accept", "content": { "age": 4 } });
        fill_defaults(&mut accepted, &schema);
        assert_eq!(
            accepted,
            json!({ "action": "accept", "content": { "age": 4, "name": "Ann" } })
        );
        let mut bare = json!({ "action": "accept" });
        fill_defaults(&mut bare, &schema);
        assert_eq!(
            bare,
            json!({ "action": "accept", "content": { "name": "Ann", "age": 30 } })
        );
        let mut declined = json!({ "action": "decline" });
        fill_defaults(&mut declined, &schema);
        assert_eq!(declined, json!({ "action": "decline" }));
    }
}
