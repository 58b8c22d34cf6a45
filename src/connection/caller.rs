//! Whom a server's question is for, and the answer to it.

#![expect(
    deprecated,
    reason = "roots and sampling leave the protocol with 2026-07-28, but servers of today use them"
)]

use std::sync::Arc;

use rmcp::model::{CreateMessageResult, ElicitResult, ErrorCode, ErrorData};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

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
    pub(super) async fn reply(&self, request: ServerRequest<'_>) -> Result<Value, ErrorData> {
        if !self.answers(request.method) {
            return reply_without_host(request.method);
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
    ) -> Result<Value, ErrorData> {
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| ErrorData::internal_error("No handler for this request", None))?;
        match &request.params {
            Value::Object(_) => {}
            Value::Null => request.params = Value::Object(Map::new()),
            _ => return Err(ErrorData::invalid_params("Unreadable parameters", None)),
        }
        let method = request.method;
        let answer = host
            .answer(&self.peer, request)
            .await
            // What the host threw is nobody's business but the host's.
            .map_err(|error| {
                ErrorData::internal_error(format!("No answer ({})", error.code.as_str()), None)
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

fn checked<R: DeserializeOwned>(method: &str, answer: Value) -> Result<Value, ErrorData> {
    let read = R::deserialize(&answer).map(drop);
    let invalid = |_| {
        let text = format!("The host's answer to {method} is invalid");
        ErrorData::internal_error(text, None)
    };
    read.map(|()| answer).map_err(invalid)
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
