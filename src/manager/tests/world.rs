//! A manager whose attempts to connect come to what a test says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::connection::{
    CallOptions, Connection, EpochMark, Event, Generation, KnownLists, LoginInUse, MemoryServer,
    MemoryStore, Recipe, ResultCache, Script, SharedSession,
};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::host::SessionStore;
use crate::log::Logger;
use crate::manager::watch::KeyObserver;
use crate::manager::{Acquire, ConnectionState, Key, Lease, Manager, Owner, Relisted, Subscriber};
use crate::network::{HttpClient, NetworkRules, Policy};
use crate::secret::Secret;
use crate::server_config::{Context, ServerConfig, fingerprint, resolve};
use crate::settings::Settings;
use crate::transport::Bearer;

/// How long a caller waits for a connection.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What an attempt comes to, and after how long.
pub struct Outcome {
    pub after: Duration,
    pub error: Option<Error>,
}

pub fn connects_after(seconds: u64) -> Outcome {
    Outcome {
        after: Duration::from_secs(seconds),
        error: None,
    }
}

pub fn fails_after(seconds: u64, error: Error) -> Outcome {
    Outcome {
        error: Some(error),
        ..connects_after(seconds)
    }
}

/// What happened in a test.
#[derive(Default)]
pub struct Servers {
    /// What the next attempts come to; those after them connect at once.
    outcomes: Mutex<VecDeque<Outcome>>,
    begun: Mutex<Vec<Instant>>,
    /// Attempts that have not ended.
    under_way: Arc<()>,
    /// The servers that were connected to.
    open: Mutex<Vec<Arc<MemoryServer>>>,
    events: Mutex<Vec<Event>>,
    /// What the servers speak, and what they answer.
    script: Mutex<Option<(Generation, Arc<Script>)>>,
}

impl Servers {
    async fn connect(self: Arc<Self>, recipe: Arc<Recipe>) -> Result<Connection> {
        let _under_way = Arc::clone(&self.under_way);
        self.begun.lock().push(Instant::now());
        let outcome = self.outcomes.lock().pop_front();
        let outcome = outcome.unwrap_or_else(|| connects_after(0));
        sleep(outcome.after).await;
        if let Some(error) = outcome.error {
            return Err(error);
        }
        let script = self.script.lock().clone();
        let (generation, script) = script.map_or((Generation::Initialize, None), |script| {
            (script.0, Some(script.1))
        });
        let (connection, server) = MemoryServer::connect(&recipe, script, generation).await?;
        self.open.lock().push(server);
        Ok(connection)
    }
}

impl Manager {
    /// What stands in place of a network, in the manager of a [`World`].
    pub(in crate::manager) fn connect_in_memory(
        &self,
        recipe: &Arc<Recipe>,
    ) -> Option<impl Future<Output = Result<Connection>> + use<>> {
        let servers = self.0.in_memory.lock().clone()?;
        Some(servers.connect(Arc::clone(recipe)))
    }
}

impl Subscriber for Servers {
    fn notice(&self, _: &Key, event: Event) {
        self.events.lock().push(event);
    }

    fn hears_tools(&self, _: &Key) -> bool {
        false
    }

    fn tools(&self, _: &Key, _: Relisted) {}

    fn resource_updated(&self, _: &Key, _: &str) {}
}

pub struct World {
    pub manager: Manager,
    servers: Arc<Servers>,
    store: Option<Arc<dyn SessionStore>>,
}

impl World {
    pub fn new() -> Self {
        Self::keeping(true)
    }

    /// A process that shares its sessions over this store.
    pub fn sharing(store: &Arc<MemoryStore>) -> Self {
        Self {
            store: Some(Arc::clone(store) as _),
            ..Self::new()
        }
    }

    pub fn keeping(keep_connections: bool) -> Self {
        let manager = Manager::new(keep_connections, Handle::current());
        let servers = Arc::<Servers>::default();
        *manager.0.in_memory.lock() = Some(Arc::clone(&servers));
        manager.subscribe(Arc::clone(&servers) as _);
        Self {
            manager,
            servers,
            store: None,
        }
    }

    /// All servers speak this, and do what the script does.
    pub fn scripted(
        self,
        generation: Generation,
        script: impl Fn(&MemoryServer, &str, &Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        *self.servers.script.lock() = Some((generation, Arc::new(script)));
        self
    }

    /// What the next attempt comes to.
    pub fn next(self, outcome: Outcome) -> Self {
        self.servers.outcomes.lock().push_back(outcome);
        self
    }

    /// Every attempt from now on fails.
    pub fn all_fail(&self, error: &Error) {
        let failures = (0..20).map(|_| fails_after(0, error.clone()));
        self.servers.outcomes.lock().extend(failures);
    }

    pub fn begun(&self) -> Vec<Instant> {
        self.servers.begun.lock().clone()
    }

    pub fn under_way(&self) -> usize {
        Arc::strong_count(&self.servers.under_way) - 1
    }

    /// The server of the attempt with this number, of those that connected.
    pub fn server(&self, number: usize) -> Arc<MemoryServer> {
        Arc::clone(&self.servers.open.lock()[number])
    }

    /// How many handshakes there were.
    pub fn handshakes(&self) -> usize {
        let servers = self.servers.open.lock();
        let all = servers.iter().map(|server| server.asked("initialize"));
        all.map(|asked| asked.len()).sum()
    }

    pub fn connected(&self) -> usize {
        self.servers.open.lock().len()
    }

    /// What listeners were told since this was asked last.
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.servers.events.lock())
    }

    pub fn call(&self, target: &Target) -> Call {
        let mut recipe = target.recipe(&self.manager);
        let key = Secret::from("00112233445566778899aabbccddeeff");
        let sharing = &self.manager.0.sharing;
        let store = self.store.as_ref();
        recipe.shared = store.and_then(|store| SharedSession::of(&recipe, store, &key, sharing));
        let cancel = CancellationToken::new();
        let options = CallOptions::new(Instant::now() + PATIENCE, cancel.clone());
        Call {
            manager: self.manager.clone(),
            request: Acquire::new(target.key.clone(), Arc::new(recipe), options),
            cancel,
        }
    }

    /// A logout or login of the target's user, whatever this process has to do with it.
    pub async fn begin_epoch(&self, target: &Target) {
        let user_id = target.key.owner.user_id().unwrap();
        let (store, idle) = (self.store.as_ref().unwrap(), Duration::from_mins(15));
        let (sharing, logger) = (self.manager.sharing(), Logger::silent());
        let whose = (user_id, &*target.key.server_name);
        let mark = EpochMark::new(store, sharing, whose, idle, &logger);
        mark.begin_epoch().await;
    }

    pub async fn acquire(&self, target: &Target) -> Result<Lease> {
        self.call(target).acquire().await
    }

    pub fn state(&self, target: &Target) -> ConnectionState {
        self.manager.state(&target.key)
    }

    pub fn is_open(&self, target: &Target) -> bool {
        self.state(target) == ConnectionState::Connected
    }
}

/// One call that wants a connection.
pub struct Call {
    manager: Manager,
    pub request: Acquire<'static>,
    pub cancel: CancellationToken,
}

impl Call {
    pub fn force_new(mut self) -> Self {
        self.request.force_new = true;
        self
    }

    pub fn within(mut self, seconds: u64) -> Self {
        self.request.options.deadline = Instant::now() + Duration::from_secs(seconds);
        self
    }

    pub async fn acquire(&self) -> Result<Lease> {
        self.manager.acquire(&self.request).await
    }
}

/// Whose connection, to which server, made from what.
#[derive(Clone)]
pub struct Target {
    pub key: Key,
    path: &'static str,
    settings: Arc<Settings>,
}

pub fn of_user(user: &str) -> Target {
    Target {
        key: Key::new(Owner::user(user), "files"),
        path: "mcp",
        settings: Arc::default(),
    }
}

pub fn of_all() -> Target {
    let mut target = of_user("nobody");
    target.key.owner = Owner::App;
    target
}

impl Target {
    /// With another config.
    pub fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// With another time after which a user is disconnected.
    pub fn idle_after(self, user_idle_timeout: Duration) -> Self {
        let settings = Arc::new(Settings {
            user_idle_timeout,
            ..Settings::default()
        });
        Self { settings, ..self }
    }

    fn recipe(&self, manager: &Manager) -> Recipe {
        let config =
            json!({ "type": "streamable-http", "url": format!("http://127.0.0.1/{}", self.path) });
        let config = ServerConfig::from_members(config.as_object().cloned().unwrap()).unwrap();
        let (rules, environment) = (NetworkRules::default(), Environment::default());
        let context = Context::of_environment(&environment);
        Recipe {
            server_name: self.key.server_name.to_string(),
            user_id: self.key.owner.user_id().map(str::to_owned),
            config: resolve(&config, &context).unwrap(),
            fingerprint: fingerprint(&config, &context, &rules, None),
            template: fingerprint(&config, &context, &rules, None),
            uses_oauth: false,
            made_at: 0,
            bearer: Bearer::default(),
            login: LoginInUse::default(),
            tokens: None,
            policy: Policy::new(&rules, &environment, None).unwrap(),
            rules,
            http: HttpClient::new(),
            children: manager.0.children.clone(),
            retries: true,
            settings: Arc::clone(&self.settings),
            metrics: Arc::default(),
            environment,
            shared: None,
            epoch: None,
            server_requests: None,
            client: Arc::default(),
            publisher: None,
            limits: None,
            results: ResultCache::default(),
            lists: KnownLists::default(),
            own_rules: None,
            identity: None,
            guard: None,
            observer: Some(Arc::new(KeyObserver {
                manager: Arc::downgrade(&manager.0),
                key: self.key.clone(),
                publishes: false,
            })),
            logger: Logger::silent(),
        }
    }
}

/// Time passes, and everything happens that is due.
pub async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
    settle().await;
}

/// Everything happens that can without any time: what is due at this moment is done first.
pub async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
