//! What the core needs from outside, as traits and plain data. The Node addon implements them over JavaScript
//! callbacks, `embedded/` without any host.

mod abilities;
mod credentials;
mod flows;
mod log;
mod server_requests;
mod upstream;

pub use abilities::Abilities;
pub use credentials::{CredentialEvents, Publication};
pub use flows::{FlowAttempt, FlowState, FlowStatus, FlowStore, LeaseWish, Lock, LockGuard};
pub use log::{Level, Log, LogMeta, Logger};
pub use server_requests::{Heard, Notice, Peer, ServerRequest, ServerRequests};
pub use upstream::{Identity, UpstreamTokens};

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use parking_lot::RwLock;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::secret::Secret;
use crate::server_config::RawConfig;
use crate::tools::RawTools;

/// A value of the host that the core carries but cannot look into, such as what a host callback returned.
pub type HostValue = Arc<dyn Any + Send + Sync>;

/// What a host callback threw or rejected with.
#[derive(Clone)]
pub struct HostFault {
    pub message: String,
    /// The thrown value itself.
    pub value: Option<HostValue>,
}

impl fmt::Debug for HostFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostFault")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// Environment variables as the host process saw them when the call started. Reading the C environment while Node
/// writes to it is a race, so values are copied here on the host's own thread. Clones share what is added to one.
#[derive(Clone, Default)]
pub struct Environment {
    /// What many calls have in common.
    common: Arc<HashMap<String, String>>,
    added: Arc<RwLock<HashMap<String, String>>>,
}

impl Environment {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let added = self.added.read().get(name).cloned();
        added.or_else(|| self.common.get(name).cloned())
    }

    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        self.added.write().insert(name.into(), value.into());
    }

    /// An environment with these variables, of which copies by [`Self::fork`] take no memory.
    #[must_use]
    pub fn of(common: HashMap<String, String>) -> Self {
        Self {
            common: Arc::new(common),
            added: Arc::default(),
        }
    }

    /// What is added to a fork is its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            common: Arc::clone(&self.common),
            added: Arc::new(RwLock::new(self.added.read().clone())),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let environment = Self::default();
        for (name, value) in pairs {
            environment.set(name, value);
        }
        environment
    }
}

/// The fields of a user that the core may read; the caller's own object stays with the host.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// LibreChat's user id; absent for calls without a user.
    pub id: Option<String>,
    /// Present fields that placeholders may name (`name`, `email`, `role`, …), in their text form.
    pub fields: IndexMap<String, String>,
    pub federated_tokens: Option<OpenIdTokens>,
    pub openid_tokens: Option<OpenIdTokens>,
}

impl User {
    /// Who the user is at the identity provider; absent for users who did not sign in there.
    #[must_use]
    pub fn openid_id(&self) -> Option<&str> {
        let id = self.fields.get("openidId")?.as_str();
        (!id.is_empty()).then_some(id)
    }
}

/// Tokens of the user's OpenID login (LibreChat's `OIDCTokens`).
#[derive(Debug, Clone, Default)]
pub struct OpenIdTokens {
    pub access_token: Option<Secret>,
    pub id_token: Option<Secret>,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
}

/// The registry's network rules: `shouldEnableSSRFProtection()`, `getAllowedDomains()`, `getAllowedAddresses()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkRules {
    pub ssrf_protection: bool,
    /// Patterns of LibreChat's allowlist (`example.com`, `*.example.com`, `https://example.com:443`).
    pub allowed_domains: Vec<String>,
    /// `host:port` or `[v6]:port` pairs of private space that are exempt from address checks.
    pub allowed_addresses: Vec<String>,
}

/// The rules that hold for a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesOfCall {
    pub rules: NetworkRules,
    /// They are those of the caller's tenant or role, and others than the operator's (`resolveAllowlists`).
    pub of_tenant: bool,
}

impl From<NetworkRules> for RulesOfCall {
    fn from(rules: NetworkRules) -> Self {
        Self {
            rules,
            of_tenant: false,
        }
    }
}

/// Where a config is stored, for `reinspectServer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Database,
    Cache,
}

/// How a config is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'a> {
    pub user_id: Option<&'a str>,
    /// Whether the caller's `configServers` count.
    pub config_servers: bool,
}

/// The server registry (LibreChat's `MCPServersRegistry`). A config is the object's known members as JSON.
#[async_trait]
pub trait Registry: Send + Sync {
    async fn server_config(
        &self,
        server_name: &str,
        lookup: Lookup<'_>,
    ) -> Result<Option<Arc<RawConfig>>>;
    /// Inspects a server again and returns the config that resulted, where the registry returns it.
    async fn reinspect(
        &self,
        server_name: &str,
        storage: Storage,
        user_id: Option<&str>,
    ) -> Result<Option<Map<String, Value>>>;
    /// Those that hold for the call: asked before every connection, discovery and tool call.
    async fn network_rules(&self) -> Result<RulesOfCall>;
    /// What the host can do.
    async fn abilities(&self) -> Result<Abilities> {
        Ok(Abilities::default())
    }
    /// Whether the config that the call works with is the operator's own, unchanged for a tenant or a user; `None` where
    /// the registry does not tell ([`Abilities::app_server_configs`]).
    async fn is_app_server_config(&self, _server_name: &str) -> Result<Option<bool>> {
        Ok(None)
    }
    /// Whether users share the server of the call by the host's own policy; `None` where the host leaves that to us.
    async fn shares(&self, _server_name: &str) -> Result<Option<bool>> {
        Ok(None)
    }
    /// All servers that a user sees, by name.
    async fn all_server_configs(
        &self,
        user_id: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>>;
}

/// Tools of a server, for the host's cache.
pub struct ToolUpdate<'a> {
    /// Absent for those of a server that all users share.
    pub user_id: Option<&'a str>,
    pub server_name: &'a str,
    pub tools: &'a Arc<RawTools>,
    /// What a user's tools were published under when they were asked for.
    pub generation: Option<&'a str>,
    /// The place of the list among those of a server that users share.
    pub revision: Option<&'a str>,
}

/// LibreChat's `updateMCPServerTools`: formats the tools, stores them, returns what it made of them.
#[async_trait]
pub trait ToolPublisher: Send + Sync {
    /// What the tools of a user and server are published under now. Another value than when the connection was made
    /// means that what was listed over it is out of date.
    async fn generation(&self, _user_id: &str, _server_name: &str) -> Result<Option<String>> {
        Ok(None)
    }
    /// Says that a connection made under this generation is in use, and learns whether it still holds; `None` where the
    /// host keeps no account of that.
    async fn renew(
        &self,
        _user_id: &str,
        _server_name: &str,
        _generation: &str,
    ) -> Result<Option<bool>> {
        Ok(None)
    }
    /// Whether the host keeps lists in order, by generations or revisions. One that does takes an empty list too, and
    /// answers with nothing where it has a newer one.
    fn is_ordered(&self) -> bool {
        false
    }
    /// Whether lists of servers that users share can be put in order, and so be published without a user.
    fn has_revisions(&self) -> bool {
        false
    }
    /// Reserves the place of a list that is about to be read over a connection that users share.
    async fn revision(&self, _server_name: &str) -> Result<Option<String>> {
        Ok(None)
    }
    async fn publish(&self, update: ToolUpdate<'_>) -> Result<Option<HostValue>>;
}

/// The tools of a server, listed over a connection that the host itself keeps.
pub struct HostTools {
    pub tools: Arc<RawTools>,
    /// As in [`ToolUpdate`].
    pub revision: Option<String>,
    /// The place of the list could not be reserved; the host publishes it again.
    pub ordering_unavailable: bool,
}

/// Connections to servers that users share, which the host keeps itself.
#[async_trait]
pub trait HostConnections: Send + Sync {
    /// `None` where the host has no open connection to the server, or no whole list.
    async fn tools(&self, server_name: &str) -> Result<Option<HostTools>>;
}

/// Names one row of LibreChat's token collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenQuery {
    pub user_id: String,
    /// `mcp_oauth`, `mcp_oauth_refresh` or `mcp_oauth_client`; the member is called `type` in the collection.
    pub kind: String,
    /// `mcp:<server>`, `mcp:<server>:refresh` or `mcp:<server>:client`.
    pub identifier: String,
    /// Only where the row has this encrypted text.
    pub token: Option<Secret>,
    /// Only where the row is of this credential set (`metadataCredentialSetId`).
    pub credential_set: Option<CredentialSet>,
}

/// Which login or refresh a row came from: its `metadata.credential_set_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSet {
    /// Rows of a LibreChat that knows of no such ids.
    None,
    Id(String),
}

/// The member of a row's metadata, and of tokens, that says which credential set they are of.
pub const CREDENTIAL_SET_ID: &str = "credential_set_id";

/// A row as it is stored; `token` is encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    pub token: Secret,
    /// Milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
    pub metadata: Option<Map<String, Value>>,
}

impl TokenRow {
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        let id = self.metadata.as_ref()?.get(CREDENTIAL_SET_ID)?.as_str()?;
        (!id.is_empty()).then_some(id)
    }
}

/// What a row is created from.
#[derive(Debug, Clone)]
pub struct TokenData {
    pub token: Secret,
    /// Seconds.
    pub expires_in: i64,
    pub metadata: Option<Map<String, Value>>,
}

/// What a row is updated with; `None` leaves what is there.
#[derive(Debug, Clone, Default)]
pub struct TokenUpdate {
    pub token: Option<Secret>,
    pub expiry: Option<Expiry>,
    /// Takes the place of the row's.
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds from now.
    In(i64),
    /// Milliseconds since the epoch.
    At(i64),
}

/// Which token methods there are; callers of `MCPTokenStorage`'s functions may leave some out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMethods {
    pub create: bool,
    /// `findToken` and `updateToken`: without both, rows are only ever created.
    pub update: bool,
    pub delete: bool,
}

/// LibreChat's token methods: `findToken`, `createToken`, `updateToken`, `deleteTokens`.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Whether it is this library's own: what cannot be read there cannot be written either, and a user who is asked
    /// to authorize would do so in vain.
    fn is_own(&self) -> bool {
        false
    }
    fn methods(&self) -> StoreMethods {
        StoreMethods {
            create: true,
            update: true,
            delete: true,
        }
    }
    /// Whether it understands [`TokenQuery::credential_set`]. LibreChat's methods do since August 2026; older ones may
    /// find no row at all then.
    fn compares_sets(&self) -> bool {
        true
    }
    /// It was seen not to: [`Self::compares_sets`] is false from now on.
    fn ignore_sets(&self) {}
    async fn find(&self, query: &TokenQuery) -> Result<Option<TokenRow>>;
    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()>;
    /// Whether there was a row to update.
    async fn update(&self, query: &TokenQuery, data: &TokenUpdate) -> Result<bool>;
    /// Whether there was a row to delete.
    async fn delete(&self, query: &TokenQuery) -> Result<bool>;
}

/// How the user learns of an authorization: the caller's `oauthStart` and `oauthEnd`.
#[async_trait]
pub trait AuthorizationPrompt: Send + Sync {
    /// Whether the caller is told the URL by [`Self::start`]; else the result shows it.
    fn takes_url(&self) -> bool;
    /// `expires_at`: until when the pending flow can be joined, in milliseconds since the epoch.
    async fn start(&self, url: &str, expires_at: Option<i64>) -> Result<()>;
    async fn end(&self) -> Result<()>;
}

/// `getTenantId()`: whose data the call works on, where a deployment serves several tenants.
#[async_trait]
pub trait Tenancy: Send + Sync {
    async fn tenant_id(&self) -> Result<Option<String>>;
}

/// What an authorization server sent the user's browser back with (RFC 6749, section 4.1.2; `iss`: RFC 9207).
#[derive(Debug, Default)]
pub struct Redirect {
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub state: Option<Secret>,
    pub iss: Option<String>,
}

/// What the user is shown in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectOutcome {
    Authorized,
    Failed,
    /// Nobody waits for this.
    Unknown,
}

/// Where browsers return to, for hosts without a route for that.
#[async_trait]
pub trait RedirectListener: Send + Sync {
    /// Begins to listen for one flow. Dropping the endpoint ends that.
    async fn listen(&self) -> Result<Box<dyn RedirectEndpoint>>;
}

#[async_trait]
pub trait RedirectEndpoint: Send {
    /// Scheme, host and port of redirect URIs, in place of `DOMAIN_SERVER`.
    fn origin(&self) -> &str;
    /// Waits for the next browser.
    async fn next(&mut self) -> Redirect;
    /// Shows the last one what came of it.
    async fn answer(&mut self, outcome: RedirectOutcome);
}

/// The key of stored tokens, in hex. Asked for when tokens are stored or read, never before.
pub trait CredentialsKey: Send + Sync {
    fn key(&self) -> Result<Option<Secret>>;
}

impl CredentialsKey for Option<Secret> {
    fn key(&self) -> Result<Option<Secret>> {
        Ok(self.clone())
    }
}

/// A cache of texts that processes share (Keyv).
#[async_trait]
pub trait SharedCache: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<String>>;
    async fn set(&self, key: &str, value: &str, ttl: std::time::Duration) -> Result<()>;
    async fn delete(&self, key: &str) -> Result<()>;
}

/// How the client authenticates at the token endpoint.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    None,
    /// RFC 6749, section 2.3.1, in the body.
    SecretPost(Secret),
    /// RFC 6749, section 2.3.1, HTTP Basic.
    SecretBasic(Secret),
    /// `private_key_jwt` (RFC 7523) with a certificate's thumbprint.
    Certificate {
        private_key_pem: Secret,
        certificate_pem: String,
        alg: Option<String>,
    },
    /// An assertion that the host makes anew for each request (federated credential, managed identity).
    HostAssertion,
}

/// The operator's OpenID client, read from the host when it is used.
#[derive(Debug, Clone)]
pub struct OpenIdClient {
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub client_id: String,
    pub client_auth: ClientAuth,
}

/// An exchanged token as a host's own resolver returns it.
#[derive(Debug, Clone)]
pub struct ResolvedToken {
    pub access_token: Secret,
    /// Seconds.
    pub expires_in: Option<i64>,
}

/// Which of the host's own resolvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenResolver {
    /// `oboTokenResolver`.
    OnBehalfOf,
    /// `graphTokenResolver`.
    Graph,
}

/// What on-behalf-of exchange needs from the host, in the call's context.
#[async_trait]
pub trait OnBehalfOf: Send + Sync {
    /// `None` where the host has no OpenID configuration.
    async fn openid_client(&self) -> Result<Option<OpenIdClient>>;
    /// For [`ClientAuth::HostAssertion`].
    async fn client_assertion(&self) -> Result<Secret>;
    /// `oboTrustChecker`; trusted where the host has none.
    async fn is_trusted(
        &self,
        source: Option<&str>,
        author: Option<&str>,
        db_id: Option<&str>,
    ) -> Result<bool>;
    /// Whether the host resolves tokens itself.
    fn has_resolver(&self, resolver: TokenResolver) -> bool;
    /// `resolver(user, accessToken, scopes, fromCache)`, with the caller's own user object. An error says in
    /// `retryable` and `obo.claims` what the host's own error says.
    async fn resolve(
        &self,
        resolver: TokenResolver,
        access_token: &Secret,
        scopes: &str,
        from_cache: bool,
    ) -> Result<ResolvedToken>;
}

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
    pub on_behalf_of: Option<Arc<dyn OnBehalfOf>>,
    /// Absent where the call brings no login session; the user's own tokens count then.
    pub upstream_tokens: Option<Arc<dyn UpstreamTokens>>,
    /// Who the login belongs to, where the call says so.
    pub identity: Option<Identity>,
    pub server_requests: Option<Arc<dyn ServerRequests>>,
    /// Absent: the redirect URI is below `DOMAIN_SERVER`, and the host completes flows.
    pub redirects: Option<Arc<dyn RedirectListener>>,
    /// The host's `credentialsKey`, else `CREDS_KEY`.
    pub credentials_key: Arc<dyn CredentialsKey>,
    pub logger: Logger,
    pub environment: Environment,
}
