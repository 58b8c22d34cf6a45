//! A JavaScript call as the core sees it: parameters, abort, the host's services.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;

use super::request::RequestStore;
use crate::error::Result;
use crate::host::{Host, User};
use crate::manager::CallScope;
use crate::node::engine::{AbortLink, JsResult, JsThread, Scope, Value};
use crate::node::host::registry::NodeHost;
use crate::node::marshal::context::CallContext;
use crate::server_config::ServerConfig;
use crate::settings::Settings;

/// A call as the core sees it.
pub struct Call {
    pub host: Host,
    pub node: Arc<NodeHost>,
    pub settings: Arc<Settings>,
    pub user: Option<User>,
    pub user_vars: Option<IndexMap<String, String>>,
    pub request_body: Option<IndexMap<String, String>>,
    /// A config that the caller already has.
    pub server_config: Option<Map<String, Json>>,
    pub has_config_servers: bool,
    /// Whether the connection is to be the user's own, whatever the config allows.
    pub is_principals: bool,
    pub connection_timeout: Option<Duration>,
    pub cancel: CancellationToken,
    /// Where the host keeps the connections of the chat request.
    pub request: Option<RequestStore>,
    pub abort: Option<AbortLink>,
}

impl Call {
    pub fn scope(&self) -> CallScope<'_> {
        CallScope {
            host: &self.host,
            settings: &self.settings,
            user: self.user.as_ref(),
            user_vars: self.user_vars.as_ref(),
            body: self.request_body.as_ref(),
            request: self.request.as_ref().map(RequestStore::id),
            config_is_registered: self.server_config.is_none() && !self.has_config_servers,
            is_principals: self.is_principals,
        }
    }

    /// Ends the call with this signal.
    pub fn listen<'env>(&mut self, thread: &JsThread, signal: Value<'env>) -> JsResult<'env, ()> {
        self.abort = Some(AbortLink::new(thread, signal, &self.cancel)?);
        Ok(())
    }

    /// Asks the registry for the server's config right away, where the call is going to.
    pub fn look_up_now(&self, scope: Scope<'_>, server_name: &str) {
        let is_known = self.server_config.is_some() || self.node.embedded.is_some();
        if !is_known && !self.cancel.is_cancelled() {
            let user_id = self.user.as_ref().and_then(|user| user.id.as_deref());
            self.node.look_up_now(scope, server_name, user_id);
        }
    }

    /// The caller's config, read.
    pub fn config(&self) -> Result<Option<Arc<ServerConfig>>> {
        let members = self.server_config.clone();
        let config = members.map(ServerConfig::from_members).transpose()?;
        Ok(config.map(Arc::new))
    }

    pub fn context(&self) -> &Arc<CallContext> {
        &self.node.context
    }
}
