//! What the tests of connections share: a client, and servers that misbehave on purpose.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, and no test uses all of them"
)]

pub mod http;
pub mod scripted;
pub mod server;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use librechat_mcp_native::connection::{
    Breakers, CallOptions, Connection, Generation, Known, KnownLists, LastFailure, LoginInUse,
    Recipe, ResultCache, ToolList, connect, list_tools,
};
use librechat_mcp_native::error::{Code, Result};
use librechat_mcp_native::host::{Environment, Level, Log, LogMeta, Logger, NetworkRules};
use librechat_mcp_native::network::{HttpClient, Policy};
use librechat_mcp_native::secret::Secret;
use librechat_mcp_native::server_config::{Context, ServerConfig, fingerprint, resolve};
use librechat_mcp_native::transport::stdio::Children;
use librechat_mcp_native::transport::{Bearer, StreamRefusal};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What was logged.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<Vec<(Level, String)>>>);

impl Log for Records {
    fn log(&self, level: Level, message: String, meta: LogMeta) {
        let message = match meta {
            LogMeta::Error(error) => format!("{message} {error}"),
            _ => message,
        };
        self.0.lock().push((level, message));
    }
}

impl Records {
    /// Everything, a line each.
    pub fn text(&self) -> String {
        let lines = self.0.lock();
        let lines = lines
            .iter()
            .map(|(level, text)| format!("{level:?} {text}\n"));
        lines.collect()
    }

    pub fn has(&self, part: &str) -> bool {
        self.0.lock().iter().any(|(_, text)| text.contains(part))
    }
}

/// A recipe for a config, with no rules on addresses.
pub fn recipe(config: Value) -> Recipe {
    let Value::Object(members) = config else {
        panic!("a config is an object")
    };
    let config = ServerConfig::from_members(members).unwrap();
    let path = std::env::var("PATH").unwrap();
    let environment = Environment::from([("PATH", path.as_str())]);
    let context = Context::of_environment(&environment);
    Recipe {
        metrics: Arc::default(),
        publisher: None,
        limits: None,
        server_name: "test".to_owned(),
        user_id: None,
        config: resolve(&config, &context).unwrap(),
        fingerprint: fingerprint(&config, &context, &NetworkRules::default(), None),
        template: fingerprint(&config, &context, &NetworkRules::default(), None),
        uses_oauth: config.is_oauth_server(),
        made_at: 0,
        bearer: Bearer::default(),
        login: LoginInUse::default(),
        tokens: None,
        rules: NetworkRules::default(),
        policy: Policy::new(&NetworkRules::default(), &environment, None).unwrap(),
        http: HttpClient::new(),
        children: Children::default(),
        retries: true,
        settings: Arc::default(),
        environment: environment.clone(),
        shared: None,
        epoch: None,
        server_requests: None,
        client: Arc::default(),
        results: ResultCache::default(),
        lists: KnownLists::default(),
        own_rules: None,
        identity: None,
        guard: None,
        observer: None,
        logger: Logger::silent(),
    }
}

pub fn logged(mut recipe: Recipe) -> (Recipe, Records) {
    let records = Records::default();
    recipe.logger = Logger::new(Arc::new(records.clone()));
    (recipe, records)
}

pub fn with_bearer(mut recipe: Recipe, token: &str) -> Recipe {
    recipe.bearer = Bearer::default();
    recipe.bearer.set(Secret::from(token));
    recipe
}

/// Connects to a server that is known to begin with `initialize`.
pub async fn open(recipe: &Recipe) -> Result<Connection> {
    open_known(recipe, StreamRefusal::default()).await
}

/// The same for a server that may have refused its GET stream.
pub async fn open_known(recipe: &Recipe, stream: StreamRefusal) -> Result<Connection> {
    let breakers = Breakers::default();
    let breaker = breakers.of(&(), &recipe.settings.breaker);
    let known = Known {
        generation: Some(Generation::Initialize),
        stream,
        ..Known::default()
    };
    let failure = LastFailure::default();
    connect(
        &Arc::new(recipe.clone()),
        &known,
        &breaker,
        &failure,
        &CancellationToken::new(),
    )
    .await
}

/// Waits for what is about to happen.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(15), waiting).await;
    assert!(outcome.is_ok(), "{what}: not in time");
}

pub fn within(seconds: f64) -> CallOptions {
    CallOptions::new(
        Instant::now() + Duration::from_secs_f64(seconds),
        CancellationToken::new(),
    )
}

/// The tools, or the code of what went wrong beneath the listing.
pub async fn list(connection: &Connection, seconds: f64) -> Result<ToolList, Code> {
    let outcome = list_tools(connection, &within(seconds)).await;
    outcome.map_err(|error| error.innermost().code)
}
