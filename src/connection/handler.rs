//! What a server is told of its client, and what the client hears from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitationCapability, ErrorData, Implementation,
    ListToolsResult, ProgressNotificationParam, ProgressToken, ProtocolVersion, RootsCapabilities,
    SamplingCapability, ServerNotification,
};
use serde_json::value::RawValue;

use super::caller::{Caller, ELICITATION, ROOTS, SAMPLING};
use super::events::{Event, Observer};
use super::{log_prefix, param_headers};
use crate::host::Logger;

/// Name and version that LibreChat's client gives to servers.
const CLIENT_NAME: &str = "@librechat/api-client";
const CLIENT_VERSION: &str = "1.2.3";

const LOG_MESSAGE: &str = "notifications/message";

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

/// What a connection tells its server of the client, and what it does with the server's notifications.
#[derive(Clone)]
pub struct Handler {
    /// The owner of the connection. Without a user it is one that users share.
    pub owner: Caller,
    /// Whether the transport says in which call a server asks.
    pub attributes: bool,
    pub observer: Option<Arc<dyn Observer>>,
    pub progress: ProgressRoutes,
    /// How often the server has announced other tools.
    pub tools_changes: Arc<AtomicU64>,
    pub logger: Logger,
}

impl Handler {
    pub fn log_prefix(&self) -> String {
        let peer = &self.owner.peer;
        log_prefix(peer.user_id.as_deref(), &peer.server_name)
    }

    /// Whoever answers what belongs to no call.
    ///
    /// Nobody does on a connection that users share: whoever connected first is not whom the server asks.
    pub fn owner(&self) -> Result<&Caller, ErrorData> {
        if self.owner.peer.user_id.is_some() {
            return Ok(&self.owner);
        }
        Err(ErrorData::invalid_request(
            "Several users share this connection, and the request belongs to no call of any of them, so that nobody can answer it (`startup: false` in the server's config gives each user a connection)",
            None,
        ))
    }

    fn notice(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer.notice(event);
        }
    }

    /// A page of `tools/list` without the tools that rmcp has refused.
    pub fn usable_tools(&self, page: Box<RawValue>, parsed: &ListToolsResult) -> Box<RawValue> {
        let Some((page, refused)) = param_headers::usable(&page, parsed) else {
            return page;
        };
        self.logger.warn(format!(
            "{} Left out tools with invalid x-mcp-header annotations: {}",
            self.log_prefix(),
            refused.join(", ")
        ));
        page
    }

    pub fn notification(&self, notification: ServerNotification) {
        match notification {
            ServerNotification::ProgressNotification(notification) => {
                let params = notification.params;
                let sink = self.progress.0.lock().get(&params.progress_token).cloned();
                if let Some(sink) = sink {
                    sink(&params);
                }
            }
            ServerNotification::LoggingMessageNotification(notification) => {
                let host = self.owner.host.as_ref();
                if let Some(host) = host.filter(|host| host.handles(LOG_MESSAGE))
                    && let Ok(params) = serde_json::to_string(&notification.params)
                {
                    host.notify(&self.owner.peer, LOG_MESSAGE, params);
                }
            }
            ServerNotification::ToolListChangedNotification(_) => {
                self.tools_changes.fetch_add(1, Ordering::Relaxed);
                self.notice(Event::ToolsChanged);
            }
            ServerNotification::ResourceListChangedNotification(_) => {
                self.notice(Event::ResourcesChanged);
            }
            ServerNotification::PromptListChangedNotification(_) => {
                self.notice(Event::PromptsChanged);
            }
            _ => {}
        }
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        // A server is not invited to ask what nobody could answer.
        let can_answer = self.attributes || self.owner.peer.user_id.is_some();
        let answers = |method| can_answer && self.owner.answers(method);
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = answers(SAMPLING).then(SamplingCapability::default);
        capabilities.elicitation = answers(ELICITATION).then(ElicitationCapability::default);
        capabilities.roots = answers(ROOTS).then(RootsCapabilities::default);
        ClientConfig::new(
            capabilities,
            Implementation::new(CLIENT_NAME, CLIENT_VERSION),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}
