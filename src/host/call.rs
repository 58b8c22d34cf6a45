//! The host as one call sees it.

use std::sync::Arc;

use super::{
    AuthorizationPrompt, ClientAssertions, ClientProfile, CredentialEvents, CredentialsKey,
    FlowStore, HostConnections, Identity, Lock, OnBehalfOf, RedirectListener, Registry,
    ServerRequests, SessionStore, SharedCache, SharedLimits, Tenancy, TokenStore, ToolPublisher,
    TraceContext, UpstreamTokens, WorkloadIdentity,
};
use crate::environment::Environment;
use crate::log::Logger;

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
