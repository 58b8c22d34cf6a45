//! The host as one call sees it.

use std::sync::Arc;

use super::{
    Audit, AuthorizationPrompt, ClientAssertions, ClientProfile, CredentialEvents, CredentialsKey,
    FlowStore, HostConnections, Identity, Lock, OnBehalfOf, RedirectListener, Registry,
    ServerRequests, SessionStore, SharedCache, SharedLimits, Tenancy, TokenStore, ToolHooks,
    ToolPins, ToolPublisher, TraceContext, UpstreamTokens, WorkloadIdentity,
};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::log::Logger;
use crate::server_config::ToolRules;

/// The host as one call sees it: callbacks run in that call's context.
#[derive(Clone)]
pub struct Host {
    pub registry: Arc<dyn Registry>,
    /// Absent: tools are formatted natively.
    pub publisher: Option<Arc<dyn ToolPublisher>>,
    /// Absent: the host keeps no connections.
    pub connections: Option<Arc<dyn HostConnections>>,
    /// Absent: tokens of OAuth servers cannot be stored.
    pub tokens: Option<Arc<dyn TokenStore>>,
    pub flows: Option<Arc<dyn FlowStore>>,
    pub prompt: Option<Arc<dyn AuthorizationPrompt>>,
    pub credential_events: Option<Arc<dyn CredentialEvents>>,
    pub tenancy: Option<Arc<dyn Tenancy>>,
    pub lock: Option<Arc<dyn Lock>>,
    pub exchanged_tokens: Option<Arc<dyn SharedCache>>,
    /// Absent: each process counts on its own.
    pub limits: Option<Arc<dyn SharedLimits>>,
    /// Where it is kept which tools are approved.
    pub tool_pins: Arc<dyn ToolPins>,
    /// Absent: sessions belong to one process.
    pub shared_sessions: Option<Arc<dyn SessionStore>>,
    pub on_behalf_of: Option<Arc<dyn OnBehalfOf>>,
    /// Absent: clients sign with keys of the config.
    pub client_assertions: Option<Arc<dyn ClientAssertions>>,
    pub workload: Option<Arc<dyn WorkloadIdentity>>,
    /// Absent where the call brings no login session; the user's own tokens count then.
    pub upstream_tokens: Option<Arc<dyn UpstreamTokens>>,
    /// Who the login belongs to, where the call says so.
    pub identity: Option<Identity>,
    /// What an operator decides about the tools of all servers, where these do not say otherwise; or why nobody knows.
    pub rules: Result<Option<Arc<ToolRules>>, Box<Error>>,
    /// Absent where nobody is asked about calls of tools.
    pub tool_hooks: Option<Arc<dyn ToolHooks>>,
    /// Absent where nobody keeps an audit.
    pub audit: Option<Arc<dyn Audit>>,
    pub server_requests: Option<Arc<dyn ServerRequests>>,
    pub client: Arc<ClientProfile>,
    /// Where the call belongs in the host's traces.
    pub trace: Option<Arc<TraceContext>>,
    /// Absent: the redirect URI is below `DOMAIN_SERVER`, and the host completes flows.
    pub redirects: Option<Arc<dyn RedirectListener>>,
    /// The host's `credentialsKey`, else `CREDS_KEY`.
    pub credentials_key: Arc<dyn CredentialsKey>,
    pub logger: Logger,
    pub environment: Environment,
}

impl Host {
    /// The rules for the tools of all servers. Nothing is listed or called without them.
    ///
    /// # Errors
    /// What kept the host from saying which they are.
    pub fn tool_rules(&self) -> Result<Option<&Arc<ToolRules>>> {
        match &self.rules {
            Ok(rules) => Ok(rules.as_ref()),
            Err(error) => Err((**error).clone()),
        }
    }
}
