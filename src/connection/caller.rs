//! Whom a server's question is for, and the answer to it.

#![expect(
    deprecated,
    reason = "roots and sampling leave the protocol with 2026-07-28, but servers of today use them"
)]

use std::sync::Arc;

use rmcp::model::{
    ClientResult, CreateMessageRequestParams, ElicitRequestParams, ErrorCode, ErrorData,
    InputRequest, ListRootsResult, ServerRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::host::{Peer, ServerRequests};

pub(super) const SAMPLING: &str = "sampling/createMessage";
pub(super) const ELICITATION: &str = "elicitation/create";
pub(super) const ROOTS: &str = "roots/list";

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
        self.host.as_ref().is_some_and(|host| host.handles(method))
    }

    /// Whether the answer to this request is the host's, and so one user's.
    pub(super) fn is_asked_by(&self, request: &ServerRequest) -> bool {
        match request {
            ServerRequest::CreateMessageRequest(_) => self.answers(SAMPLING),
            ServerRequest::ElicitRequest(_) => self.answers(ELICITATION),
            ServerRequest::ListRootsRequest(_) => self.answers(ROOTS),
            _ => false,
        }
    }

    /// The answer to a request of the server.
    pub(super) async fn reply(&self, request: ServerRequest) -> Result<ClientResult, ErrorData> {
        match request {
            ServerRequest::PingRequest(_) => Ok(ClientResult::empty(())),
            ServerRequest::CreateMessageRequest(request) => {
                let message = self.sample(&request.params).await?;
                Ok(ClientResult::CreateMessageResult(Box::new(message)))
            }
            ServerRequest::ListRootsRequest(_) => {
                Ok(ClientResult::ListRootsResult(self.roots().await?))
            }
            ServerRequest::ElicitRequest(request) => Ok(ClientResult::ElicitResult(
                self.elicit(&request.params).await?,
            )),
            ServerRequest::CustomRequest(request) => Err(unknown(&request.method)),
            _ => Err(unknown("this request")),
        }
    }

    /// The answer to a question that came inside a result (MCP 2026-07-28, chapter "Multi Round-Trip Requests").
    pub(super) async fn answer(&self, request: InputRequest) -> Result<Value, ErrorData> {
        let answer = match request {
            InputRequest::CreateMessage(request) => {
                serde_json::to_value(self.sample(&request.params).await?)
            }
            InputRequest::Elicitation(request) => {
                serde_json::to_value(self.elicit(&request.params).await?)
            }
            InputRequest::ListRoots(_) => serde_json::to_value(self.roots().await?),
            _ => return Err(unknown("an input request")),
        };
        answer.map_err(|_| ErrorData::internal_error("Unreadable answer", None))
    }

    async fn sample(
        &self,
        params: &CreateMessageRequestParams,
    ) -> Result<rmcp::model::CreateMessageResult, ErrorData> {
        if !self.answers(SAMPLING) {
            return Err(unknown(SAMPLING));
        }
        self.ask(SAMPLING, params).await
    }

    async fn roots(&self) -> Result<ListRootsResult, ErrorData> {
        if !self.answers(ROOTS) {
            return Ok(ListRootsResult::default());
        }
        self.ask(ROOTS, &Value::Object(Map::new())).await
    }

    async fn elicit(
        &self,
        params: &ElicitRequestParams,
    ) -> Result<rmcp::model::ElicitResult, ErrorData> {
        if !self.answers(ELICITATION) {
            return Err(unknown(ELICITATION));
        }
        let schema = serde_json::to_value(params).unwrap_or_default();
        let mut answer: Value = self.ask(ELICITATION, params).await?;
        fill_defaults(&mut answer, &schema["requestedSchema"]);
        serde_json::from_value(answer).map_err(|_| invalid_answer(ELICITATION))
    }

    /// The host's answer to a request of the server, both in MCP's own shapes.
    async fn ask<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, ErrorData> {
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| ErrorData::internal_error("No handler for this request", None))?;
        let params = serde_json::to_value(params)
            .map_err(|_| ErrorData::invalid_params("Unreadable parameters", None))?;
        let answer = host
            .answer(&self.peer, method, params)
            .await
            // What the host threw is nobody's business but the host's.
            .map_err(|error| {
                ErrorData::internal_error(format!("No answer ({})", error.code.as_str()), None)
            })?;
        serde_json::from_value(answer).map_err(|_| invalid_answer(method))
    }
}

fn invalid_answer(method: &str) -> ErrorData {
    ErrorData::internal_error(format!("The host's answer to {method} is invalid"), None)
}

fn unknown(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method.to_owned(), None)
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
    let content = answer
        .entry("content")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(content) = content.as_object_mut() else {
        return;
    };
    for (name, property) in properties {
        if let Some(default) = property.get("default")
            && !content.contains_key(name)
        {
            content.insert(name.clone(), default.clone());
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
