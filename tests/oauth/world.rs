//! A host in memory, shared by as many runtimes as a test wants.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use librechat_mcp_native::error::Result;
use librechat_mcp_native::governance::MemoryPins;
use librechat_mcp_native::host::{
    CREDENTIAL_SET_ID, Environment, Host, Level, Log, LogMeta, Logger, Lookup, NetworkRules,
    Registry, RulesOfCall, Storage as ConfigStorage,
};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::oauth::{
    Asking, Authorizer, ClientInfo, OAuth, OAuthOptions, Relation, Storage, Tokens, Unwitnessed,
};
use librechat_mcp_native::secret::Secret;
use librechat_mcp_native::server_config::{Coordination, RawConfig};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::server::Server;
use crate::stores::{Leases, MemoryLock, MemoryTokens, SharedFlows};

pub const USER: &str = "u1";
pub const SERVER: &str = "srv";
pub const FLOW: &str = "u1:srv";

const KEY: &str = "f34be427ebb29de8d88c107a71546019685ed8b241d8f2ed00c3df97ad2566f0";

struct OneServer {
    config: Map<String, Value>,
    rules: NetworkRules,
}

#[async_trait]
impl Registry for OneServer {
    async fn server_config(
        &self,
        _name: &str,
        _lookup: Lookup<'_>,
    ) -> Result<Option<Arc<RawConfig>>> {
        Ok(Some(Arc::new(self.config.clone().into())))
    }

    async fn reinspect(
        &self,
        _name: &str,
        _storage: ConfigStorage,
        _user_id: Option<&str>,
    ) -> Result<Option<Map<String, Value>>> {
        Ok(None)
    }

    async fn network_rules(&self) -> Result<RulesOfCall> {
        Ok(self.rules.clone().into())
    }

    async fn all_server_configs(
        &self,
        _user_id: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>> {
        Ok(vec![(SERVER.to_owned(), self.config.clone())])
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn log(&self, _level: Level, message: String, meta: LogMeta) {
        self.0.lock().push(format!("{message} {meta:?}"));
    }
}

impl Lines {
    pub fn text(&self) -> String {
        self.0.lock().join("\n")
    }
}

/// One authorization server, one set of stores.
pub struct World {
    pub server: Server,
    /// Another authorization server.
    pub other: Server,
    pub tokens: Arc<MemoryTokens>,
    pub flows: Arc<SharedFlows>,
    pub lines: Lines,
}

impl World {
    pub async fn new() -> Self {
        Self {
            server: Server::start().await,
            other: Server::start().await,
            tokens: Arc::default(),
            flows: Arc::default(),
            lines: Lines::default(),
        }
    }

    /// With leases, by which refreshes are coordinated where there is no lock.
    pub async fn leased() -> (Self, Leases) {
        let leases = Leases::default();
        let world = Self {
            flows: Arc::new(SharedFlows::with(leases.clone())),
            ..Self::new().await
        };
        (world, leases)
    }

    pub fn rules(&self) -> NetworkRules {
        NetworkRules {
            ssrf_protection: true,
            allowed_domains: Vec::new(),
            allowed_addresses: [&self.server, &self.other]
                .map(|server| server.address.to_string())
                .to_vec(),
            tls: None,
        }
    }

    pub fn host(&self, lock: Option<MemoryLock>) -> Host {
        let config = json!({
            "type": "streamable-http",
            "url": format!("{}/mcp", self.server.origin()),
            "requiresOAuth": true,
        });
        Host {
            registry: Arc::new(OneServer {
                config: config.as_object().unwrap().clone(),
                rules: self.rules(),
            }),
            publisher: None,
            connections: None,
            tokens: Some(Arc::clone(&self.tokens) as _),
            flows: Some(Arc::clone(&self.flows) as _),
            prompt: None,
            credential_events: None,
            tenancy: None,
            lock: lock.map(|lock| Arc::new(lock) as _),
            exchanged_tokens: None,
            limits: None,
            tool_pins: Arc::<MemoryPins>::default(),
            shared_sessions: None,
            redirects: None,
            workload: None,
            on_behalf_of: None,
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
            logger: Logger::new(Arc::new(self.lines.clone())),
            environment: Environment::default(),
        }
    }

    /// A runtime of its own, as another process would have it.
    pub fn authorizer(&self, lock: Option<MemoryLock>) -> Authorizer {
        self.configured(lock, OAuthOptions::new(None))
    }

    pub fn configured(&self, lock: Option<MemoryLock>, options: OAuthOptions) -> Authorizer {
        let oauth = OAuth::new(TaskTracker::new(), CancellationToken::new(), Arc::default());
        let relation = Relation {
            user_id: USER.to_owned(),
            server_name: SERVER.to_owned(),
            server_url: Url::parse(&format!("{}/mcp", self.server.origin())).unwrap(),
            options,
            oauth_headers: IndexMap::new(),
            coordination: Coordination {
                is_on: self.flows.leases.is_some() && lock.is_none(),
                refresh_wait: Some(Duration::from_millis(600)),
                persistence_wait: None,
            },
            proxy: None,
            asking: Asking::default(),
            rules: self.rules(),
            settings: Arc::default(),
            session: None,
            epoch: None,
        };
        Authorizer::new(&oauth, HttpClient::new(), &self.host(lock), relation).unwrap()
    }

    pub fn storage(&self) -> Storage {
        Storage::of_host(&self.host(None), USER, SERVER).unwrap()
    }

    /// Tokens of an earlier session.
    pub async fn store(&self, access: &str, refresh: Option<&str>) {
        let tokens =
            json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600 });
        let tokens = Tokens::from_value(&tokens).unwrap();
        let client = json!({ "client_id": "c" });
        let client = ClientInfo::new(client.as_object().unwrap().clone()).unwrap();
        let origin = self.server.origin();
        let metadata = json!({
            "issuer": origin,
            "token_endpoint": format!("{origin}/token"),
            "server_url": format!("{origin}/mcp"),
            "client_source": "dynamic",
        });
        let login = Some((&client, metadata.as_object()));
        self.storage()
            .store(&tokens, login, &Unwitnessed)
            .await
            .unwrap();
    }

    /// Rows as an older `LibreChat` writes them: without credential sets.
    pub fn forget_sets(&self) {
        for row in self.tokens.rows.lock().values_mut() {
            if let Some(metadata) = &mut row.metadata {
                metadata.remove(CREDENTIAL_SET_ID);
            }
        }
    }

    pub async fn stored(&self) -> (String, String) {
        let storage = self.storage();
        let access = storage.access().await.unwrap().unwrap().token;
        let refresh = storage.refresh_token().await.unwrap().unwrap();
        (access.expose().clone(), refresh.expose().clone())
    }
}
