//! A function of `runtime.oauth` or `runtime.tokens` that works for one call: context, log, environment, promise.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::connection::EpochMark;
use crate::error::{Code, Error, Result};
use crate::foreign_text::SentSecrets;
use crate::host::{
    ClientAssertions, Environment, FlowStore, Host, Logger, Lookup, NetworkRules, SessionStore,
    TokenStore,
};
use crate::network::ServerTls;
use crate::node::engine::{AbortLink, JsResult, Present, Scope, Thrown, Value};
use crate::node::host::client_assertion;
use crate::node::host::flows::NodeFlows;
use crate::node::host::prompt::NodeTenancy;
use crate::node::host::shared_sessions::{NodeSessions, SESSIONS};
use crate::node::host::token_store::NodeTokens;
use crate::node::marshal::arguments::Arguments;
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{self, required_text};
use crate::node::marshal::environment::credentials_key;
use crate::node::marshal::errors;
use crate::node::marshal::log::logger_of;
use crate::node::marshal::services;
use crate::node::marshal::to_js::ToJs;
use crate::node::surface::methods::Invocation;
use crate::node::surface::running::{Ending, promised};
use crate::node::surface::state::RuntimeState;
use crate::oauth::{Asking, Endpoints, Storage};
use crate::secret::Secret;
use crate::server_config::{Context, resolve};
use crate::settings::Settings;

/// One call, its arguments still to be read.
pub struct Call<'env> {
    pub runtime: Arc<RuntimeState>,
    arguments: Arguments<'env>,
    pub context: Arc<CallContext>,
    pub environment: Environment,
    pub logger: Logger,
    abort: Cell<Option<AbortLink>>,
}

impl<'env> Deref for Call<'env> {
    type Target = Arguments<'env>;

    fn deref(&self) -> &Self::Target {
        &self.arguments
    }
}

impl<'env> Call<'env> {
    /// A promise of the outcome of what `prepare` makes of the arguments: the work, which may run anywhere.
    pub fn promise<S, T, W>(
        invocation: &Invocation<'env, S>,
        prepare: impl FnOnce(&Self) -> JsResult<'env, W>,
    ) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let prepared = Self::new(invocation).and_then(|call| {
            let work = prepare(&call)?;
            let ended = Ended {
                context: Arc::clone(&call.context),
                abort: call.abort.take(),
            };
            Ok((Arc::new(ended), || work))
        });
        promised(
            &invocation.runtime,
            invocation.scope,
            prepared,
            |scope, _, outcome: T| outcome.to_js(scope),
        )
    }

    pub fn new<S>(invocation: &Invocation<'env, S>) -> JsResult<'env, Self> {
        let (runtime, scope) = (&invocation.runtime, invocation.scope);
        let environment = runtime.variables.read(scope)?.environment;
        let context = Arc::new(CallContext::new(
            &runtime.thread,
            &runtime.realm,
            &runtime.host,
            scope,
        )?);
        let present = services::present(runtime.host.get(scope))?;
        let logger = logger_of(present, &context, &environment);
        Ok(Self {
            runtime: Arc::clone(runtime),
            arguments: invocation.arguments.clone(),
            context,
            environment,
            logger,
            abort: Cell::default(),
        })
    }

    /// What an `AbortSignal` cancels, if there is one.
    pub fn aborted_by(&self, signal: Value<'env>) -> JsResult<'env, CancellationToken> {
        let aborted = CancellationToken::new();
        if let Some(signal) = signal.present() {
            let link = AbortLink::new(&self.context.thread, signal, &aborted)?;
            self.abort.set(Some(link));
        }
        Ok(aborted)
    }

    /// What tells processes that a user has signed in or out at a server, where they share anything.
    pub fn epoch(&self, params: Value<'env>) -> JsResult<'env, Option<Arc<EpochMark>>> {
        let user_id = required_text(params.get("userId")?, "userId")?;
        let server_name = required_text(params.get("serverName")?, "serverName")?;
        if !self.present()?.has(SESSIONS) {
            return Ok(None);
        }
        let store: Arc<dyn SessionStore> = Arc::new(NodeSessions(Arc::clone(&self.context)));
        let (sharing, idle) = (
            self.runtime.manager.sharing(),
            self.settings().user_idle_timeout,
        );
        let whose = (&*user_id, &*server_name);
        Ok(Some(EpochMark::new(
            &store,
            sharing,
            whose,
            idle,
            &self.logger,
        )))
    }

    fn present(&self) -> JsResult<'env, Present> {
        services::present(self.runtime.host.get(self.scope))
    }

    /// The `flowManager` of the parameters, else the runtime's.
    pub fn flows_of(&self, params: Value<'env>) -> JsResult<'env, Arc<dyn FlowStore>> {
        let name = "flowManager";
        let given = params.get(name)?;
        let service = if given.is_object() {
            Service::given(&self.context, given, name)?
        } else if self.present()?.has(name) {
            Service::Host(name)
        } else {
            return Ok(Arc::clone(&self.runtime.flows) as _);
        };
        Ok(NodeFlows::store(&self.context, service))
    }

    pub fn tenancy(&self) -> JsResult<'env, Option<NodeTenancy>> {
        Ok(NodeTenancy::of(&self.context, self.present()?))
    }

    /// The host's, for clients whose key it keeps.
    pub fn client_assertions(&self) -> JsResult<'env, Option<Arc<dyn ClientAssertions>>> {
        Ok(client_assertion::of(&self.context, self.present()?))
    }

    pub fn settings(&self) -> Settings {
        Settings::from_environment(&self.environment)
    }

    pub fn flows(&self, index: usize) -> JsResult<'env, Arc<dyn FlowStore>> {
        let service = Service::given(&self.context, self.argument(index), "flowManager")?;
        Ok(NodeFlows::store(&self.context, service))
    }

    /// The rows of a user and server, through functions that `params` has.
    pub fn storage(&self, params: Value<'env>) -> JsResult<'env, Storage> {
        self.storage_deleting(params, "deleteTokens")
    }

    /// The same, where the caller has another name for `deleteTokens`.
    pub fn storage_deleting(
        &self,
        params: Value<'env>,
        delete_method: &'static str,
    ) -> JsResult<'env, Storage> {
        let service = Service::given(&self.context, params, "the parameter")?;
        if let Some(storage) = self.own_storage(params, delete_method)? {
            return Ok(storage);
        }
        let store = NodeTokens::given(&self.context, service, params, delete_method)?;
        self.storage_of(Arc::new(store), params)
    }

    /// The runtime's own, where it has a `config` and the caller brings no functions.
    fn own_storage(
        &self,
        params: Value<'env>,
        delete_method: &'static str,
    ) -> JsResult<'env, Option<Storage>> {
        if self.runtime.embedded.is_none() {
            return Ok(None);
        }
        for method in ["findToken", "createToken", delete_method] {
            if params.get(method)?.is_function() {
                return Ok(None);
            }
        }
        let user_id = required_text(params.get("userId")?, "userId")?;
        let server_name = required_text(params.get("serverName")?, "serverName")?;
        let host = self.runtime.call(self.scope, None)?.host;
        let storage = Storage::of_host(&host, &user_id, &server_name);
        let thrown = |error| Thrown(errors::to_js(self.scope, &error));
        storage.map(Some).map_err(thrown)
    }

    pub fn credentials_key(&self) -> JsResult<'env, Option<Secret>> {
        credentials_key(self.context.host(self.scope), &self.environment)
    }

    fn storage_of(
        &self,
        store: Arc<dyn TokenStore>,
        params: Value<'env>,
    ) -> JsResult<'env, Storage> {
        let user_id = required_text(params.get("userId")?, "userId")?;
        let server_name = required_text(params.get("serverName")?, "serverName")?;
        let key = self.credentials_key()?;
        let logger = self.logger.clone();
        Ok(Storage::new(store, key, &user_id, &server_name, logger))
    }

    pub fn headers(&self, index: usize) -> JsResult<'env, IndexMap<String, String>> {
        let value = self.argument(index);
        if value.is_object() {
            convert::texts(value)
        } else {
            Ok(IndexMap::new())
        }
    }

    pub fn members(&self, index: usize) -> JsResult<'env, Option<Map<String, Json>>> {
        convert::members(self.argument(index))
    }

    /// `allowedDomains` and `allowedAddresses` as `LibreChat` passes them.
    pub fn rules(&self, domains: usize, addresses: usize) -> JsResult<'env, NetworkRules> {
        Ok(NetworkRules {
            ssrf_protection: false,
            allowed_domains: convert::text_list(self.argument(domains))?,
            allowed_addresses: convert::text_list(self.argument(addresses))?,
            tls: None,
        })
    }

    /// The way to the endpoints of a server's authorization, with the TLS of that server.
    pub fn endpoints(
        &self,
        mut rules: NetworkRules,
        headers: IndexMap<String, String>,
        server_name: Option<String>,
    ) -> JsResult<'env, impl Future<Output = Result<Endpoints>> + Send + use<>> {
        let (http, environment) = (
            self.runtime.manager.http().clone(),
            self.environment.clone(),
        );
        let host = self.runtime.call(self.scope, None)?.host;
        Ok(async move {
            let mut asking = Asking::default();
            if let Some(server_name) = &server_name {
                let (tls, secrets) = known_of(&host, server_name).await;
                rules.tls = tls;
                asking = asking.keeping(secrets);
            }
            let endpoints = Endpoints::new(http, &rules, &environment, None, &headers)?;
            Ok(endpoints
                .asking(asking)
                .told_of(server_name.as_deref(), None))
        })
    }
}

/// The TLS of a server as the registry's config names it, and what of it is secret: LibreChat's functions are not told.
/// Where the registry cannot say, there is none, and a server that wants it says so.
pub async fn known_of(host: &Host, server_name: &str) -> (Option<ServerTls>, SentSecrets) {
    let lookup = Lookup {
        user_id: None,
        config_servers: false,
    };
    let config = host.registry.server_config(server_name, lookup).await;
    let config = config
        .ok()
        .flatten()
        .and_then(|config| config.config().ok());
    let context = Context::of_environment(&host.environment);
    let resolved = config.and_then(|config| resolve(&config, &context).ok());
    resolved.map_or_else(Default::default, |resolved| {
        let tls = resolved.server_tls(server_name).ok().flatten();
        (tls, resolved.secrets())
    })
}

/// What is left of a call whose promise gets its outcome.
struct Ended {
    context: Arc<CallContext>,
    abort: Option<AbortLink>,
}

impl Ending for Ended {
    fn context(&self) -> &Arc<CallContext> {
        &self.context
    }

    fn end<'env>(&self, _: &Arc<RuntimeState>, scope: Scope<'env>) -> Option<Value<'env>> {
        self.abort.as_ref()?.end(scope)
    }
}

pub fn parsed(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|_| Error::new(Code::InvalidArgument, "serverUrl must be a URL"))
}
