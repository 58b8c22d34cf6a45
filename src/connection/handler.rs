//! What the client answers to a server, and what it hears from it.

#![expect(
    deprecated,
    reason = "roots, sampling and logging leave the protocol with 2026-07-28, but servers of today use them"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationCapability, ErrorData, Implementation,
    InputRequest, ListRootsResult, ListToolsResult, LoggingMessageNotificationParam,
    ProgressNotificationParam, ProgressToken, ProtocolVersion, RootsCapabilities,
    SamplingCapability,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::events::{Event, Observer};
use super::{log_prefix, param_headers};
use crate::host::{Logger, Peer, ServerRequests};

/// Name and version that LibreChat's client gives to servers.
const CLIENT_NAME: &str = "@librechat/api-client";
const CLIENT_VERSION: &str = "1.2.3";

const SAMPLING: &str = "sampling/createMessage";
const ELICITATION: &str = "elicitation/create";
const ROOTS: &str = "roots/list";

/// Receives the progress of one request.
pub type ProgressSink = Arc<dyn Fn(&ProgressNotificationParam) + Send + Sync>;

/// Who wants to hear about the progress of which request.
#[derive(Clone, Default)]
pub struct ProgressRoutes(Arc<Mutex<HashMap<ProgressToken, ProgressSink>>>);

impl ProgressRoutes {
    pub fn add(&self, token: ProgressToken, sink: ProgressSink) -> ProgressRoute {
        self.0.lock().insert(token.clone(), sink);
        ProgressRoute {
            routes: self.clone(),
            token,
        }
    }
}

/// A route that ends with its request.
pub struct ProgressRoute {
    routes: ProgressRoutes,
    token: ProgressToken,
}

impl Drop for ProgressRoute {
    fn drop(&mut self) {
        self.routes.0.lock().remove(&self.token);
    }
}

/// Answers `ping` and `roots/list`; passes sampling and elicitation to the host where it wants them, and declares them
/// only then.
#[derive(Clone)]
pub struct Handler {
    pub peer: Peer,
    pub host: Option<Arc<dyn ServerRequests>>,
    pub observer: Option<Arc<dyn Observer>>,
    pub progress: ProgressRoutes,
    /// How often the server has announced other tools.
    pub tools_changes: Arc<AtomicU64>,
    pub logger: Logger,
}

impl Handler {
    fn notice(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer.notice(event);
        }
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
            .map_err(|error| ErrorData::internal_error(error.message, None))?;
        serde_json::from_value(answer).map_err(|error| {
            ErrorData::internal_error(format!("The answer to {method} is invalid: {error}"), None)
        })
    }

    /// A page of `tools/list` without the tools that rmcp has refused.
    pub fn usable_tools(&self, page: Box<RawValue>, parsed: &ListToolsResult) -> Box<RawValue> {
        let Some((page, refused)) = param_headers::usable(&page, parsed) else {
            return page;
        };
        let prefix = log_prefix(self.peer.user_id.as_deref(), &self.peer.server_name);
        self.logger.warn(format!(
            "{prefix} Left out tools with invalid x-mcp-header annotations: {}",
            refused.join(", ")
        ));
        page
    }

    /// The answer to a question that came inside a result (MCP 2026-07-28, chapter "Multi Round-Trip Requests").
    pub async fn answer(&self, request: InputRequest) -> Result<Value, ErrorData> {
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

    /// Whether the host answers this method.
    fn answers(&self, method: &str) -> bool {
        self.host.as_ref().is_some_and(|host| host.handles(method))
    }

    async fn sample(
        &self,
        params: &CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, ErrorData> {
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

    async fn elicit(&self, params: &ElicitRequestParams) -> Result<ElicitResult, ErrorData> {
        if !self.answers(ELICITATION) {
            return Err(unknown(ELICITATION));
        }
        let schema = serde_json::to_value(params).unwrap_or_default();
        let mut answer: Value = self.ask(ELICITATION, params).await?;
        fill_defaults(&mut answer, &schema["requestedSchema"]);
        serde_json::from_value(answer).map_err(|error| {
            ErrorData::internal_error(
                format!("The answer to {ELICITATION} is invalid: {error}"),
                None,
            )
        })
    }
}

fn unknown(method: &str) -> ErrorData {
    ErrorData::new(
        rmcp::model::ErrorCode::METHOD_NOT_FOUND,
        method.to_owned(),
        None,
    )
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = self.answers(SAMPLING).then(SamplingCapability::default);
        capabilities.elicitation = self
            .answers(ELICITATION)
            .then(ElicitationCapability::default);
        capabilities.roots = self.answers(ROOTS).then(RootsCapabilities::default);
        ClientConfig::new(
            capabilities,
            Implementation::new(CLIENT_NAME, CLIENT_VERSION),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.sample(&params).await
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.roots().await
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.elicit(&params).await
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let sink = self.progress.0.lock().get(&params.progress_token).cloned();
        if let Some(sink) = sink {
            sink(&params);
        }
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        if let (Some(host), Ok(params)) = (&self.host, serde_json::to_value(&params)) {
            host.notify(&self.peer, "notifications/message", params);
        }
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.tools_changes.fetch_add(1, Ordering::Relaxed);
        self.notice(Event::ToolsChanged);
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.notice(Event::ResourcesChanged);
    }

    async fn on_prompt_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.notice(Event::PromptsChanged);
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
