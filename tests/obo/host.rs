//! A host in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use librechat_mcp_native::error::{Code, Error, Result};
use librechat_mcp_native::governance::MemoryPins;
use librechat_mcp_native::host::{
    ClientAuth, Environment, Host, Level, Log, LogMeta, Logger, Lookup, OnBehalfOf, OpenIdClient,
    OpenIdTokens, Registry, ResolvedToken, RulesOfCall, SharedCache, Storage, Tenancy,
    TokenResolver, User,
};
use librechat_mcp_native::secret::Secret;
use librechat_mcp_native::server_config::RawConfig;
use serde_json::{Map, Value};

pub const KEY: &str = "f34be427ebb29de8d88c107a71546019685ed8b241d8f2ed00c3df97ad2566f0";

/// The part of a host that on-behalf-of exchange uses.
pub struct Parts {
    pub client: Option<OpenIdClient>,
    pub tenant: Option<String>,
    pub trusted: Result<bool>,
    /// What the host's own resolver answers, if it has one.
    pub resolver: Option<Result<ResolvedToken>>,
    pub resolver_calls: Mutex<Vec<(TokenResolver, String, String, bool)>>,
    pub assertions: AtomicUsize,
}

impl Parts {
    pub fn new(endpoint: &str) -> Self {
        Self {
            client: Some(client(
                endpoint,
                ClientAuth::SecretPost(Secret::from("s3cret-of-the-client")),
            )),
            tenant: None,
            trusted: Ok(true),
            resolver: None,
            resolver_calls: Mutex::default(),
            assertions: AtomicUsize::new(0),
        }
    }
}

pub fn client(endpoint: &str, client_auth: ClientAuth) -> OpenIdClient {
    OpenIdClient {
        issuer: Some("https://idp.example/tenant/v2.0".to_owned()),
        token_endpoint: endpoint.to_owned(),
        client_id: "client-1".to_owned(),
        client_auth,
    }
}

#[async_trait]
impl OnBehalfOf for Parts {
    async fn openid_client(&self) -> Result<Option<OpenIdClient>> {
        Ok(self.client.clone())
    }

    async fn client_assertion(&self) -> Result<Secret> {
        let number = self.assertions.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Secret::new(format!("assertion-of-the-host-{number}")))
    }

    async fn is_trusted(&self, _: Option<&str>, _: Option<&str>, _: Option<&str>) -> Result<bool> {
        self.trusted.clone()
    }

    fn has_resolver(&self, _: TokenResolver) -> bool {
        self.resolver.is_some()
    }

    async fn resolve(
        &self,
        resolver: TokenResolver,
        access_token: &Secret,
        scopes: &str,
        from_cache: bool,
    ) -> Result<ResolvedToken> {
        let call = (
            resolver,
            access_token.expose().clone(),
            scopes.to_owned(),
            from_cache,
        );
        self.resolver_calls.lock().unwrap().push(call);
        self.resolver.clone().unwrap()
    }
}

#[async_trait]
impl Tenancy for Parts {
    async fn tenant_id(&self) -> Result<Option<String>> {
        Ok(self.tenant.clone())
    }
}

/// What a cache does wrong.
#[derive(Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    Fails,
    Hangs,
}

#[derive(Default)]
pub struct Cache {
    pub entries: Mutex<HashMap<String, (String, Duration)>>,
    pub trouble: Trouble,
}

impl Cache {
    async fn work<T>(
        &self,
        work: impl FnOnce(&mut HashMap<String, (String, Duration)>) -> T + Send,
    ) -> Result<T> {
        match self.trouble {
            Trouble::None => Ok(work(&mut self.entries.lock().unwrap())),
            Trouble::Fails => Err(Error::new(Code::HostError, "the cache is down")),
            Trouble::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl SharedCache for Cache {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        self.work(|entries| entries.get(key).map(|(value, _)| value.clone()))
            .await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        self.work(|entries| drop(entries.insert(key.to_owned(), (value.to_owned(), ttl))))
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.work(|entries| drop(entries.remove(key))).await
    }
}

struct NoRegistry;

#[async_trait]
impl Registry for NoRegistry {
    async fn server_config(&self, _: &str, _: Lookup<'_>) -> Result<Option<Arc<RawConfig>>> {
        Ok(None)
    }

    async fn reinspect(
        &self,
        _: &str,
        _: Storage,
        _: Option<&str>,
    ) -> Result<Option<Map<String, Value>>> {
        Ok(None)
    }

    async fn all_server_configs(
        &self,
        _: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>> {
        Ok(Vec::new())
    }

    async fn network_rules(&self) -> Result<RulesOfCall> {
        Ok(RulesOfCall::default())
    }
}

/// Everything that was logged, errors with all they carry.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Log for Lines {
    fn log(&self, level: Level, message: String, meta: LogMeta) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{level:?} {message} {meta:?}"));
    }
}

pub fn host(parts: &Arc<Parts>, cache: Option<&Arc<Cache>>) -> (Host, Lines) {
    let lines = Lines::default();
    let host = Host {
        registry: Arc::new(NoRegistry),
        publisher: None,
        connections: None,
        tokens: None,
        flows: None,
        prompt: None,
        credential_events: None,
        tenancy: Some(Arc::clone(parts) as _),
        lock: None,
        exchanged_tokens: cache.map(|cache| Arc::clone(cache) as _),
        shared_sessions: None,
        redirects: None,
        limits: None,
        tool_pins: Arc::<MemoryPins>::default(),
        workload: None,
        on_behalf_of: Some(Arc::clone(parts) as _),
        client_assertions: None,
        upstream_tokens: None,
        identity: None,
        rules: Ok(None),
        tool_hooks: None,
        audit: None,
        server_requests: None,
        client: Arc::default(),
        trace: None,
        credentials_key: Arc::new(Some(Secret::from(KEY))),
        logger: Logger::new(Arc::new(lines.clone())),
        environment: Environment::default(),
    };
    (host, lines)
}

/// A user who signed in through `OpenID`, with a federated token of their own.
pub fn user(number: usize) -> User {
    let id = format!("user-{number}");
    let fields = [
        ("id", id.clone()),
        ("provider", "openid".to_owned()),
        ("openidId", format!("oid-{number}")),
    ];
    User {
        id: Some(id),
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        federated_tokens: Some(OpenIdTokens {
            access_token: Some(federated(number)),
            id_token: None,
            expires_at: Some(4_102_444_800),
        }),
        openid_tokens: None,
    }
}

pub fn federated(number: usize) -> Secret {
    Secret::new(format!(
        "eyJhbGciOiJSUzI1NiJ9.federated-token-of-user-{number}.signature"
    ))
}
