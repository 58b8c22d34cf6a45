//! A JavaScript call as the core sees it: parameters, abort, the host's services.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;

use super::abort::AbortLink;
use super::burst::{Burst, Starts};
use super::call::{CallContext, Realm};
use super::catalog_recovery::CatalogRecovery;
use super::configs::Configs;
use super::connections::Connections;
use super::convert;
use super::embedded::Embedded;
use super::environment::{VariableReader, Variables};
use super::host::{NodeHost, Principal};
use super::host_connections::CONNECTIONS;
use super::js::{JsResult, Scope, Thrown, Type, Value};
use super::log::logger_of;
use super::newer_params;
use super::oauth::{
    NodeFlows, NodeLock, NodePrompt, NodeTenancy, NodeTokens, Service, credential_events,
    credentials_key,
};
use super::obo;
use super::prelude::{Names, Picked, Present};
use super::publisher::UPDATE_TOOLS;
use super::request::RequestStore;
use super::server_requests::HostHandlers;
use super::services::{self, describe};
use super::thread::{JsRef, JsThread};
use super::upstream;
use crate::embedded::MemoryFlows;
use crate::error::Result;
use crate::host::{FlowStore, Host, Logger, User};
use crate::manager::{CallScope, Manager};
use crate::server_config::ServerConfig;
use crate::settings::Settings;

/// What all calls of a runtime share.
pub struct Shared {
    pub thread: JsThread,
    pub realm: Arc<Realm>,
    pub host: Arc<JsRef>,
    pub manager: Manager,
    /// The `MCPConnection` objects that were handed out.
    pub connections: Connections,
    /// For hosts without a flow manager.
    pub flows: Arc<MemoryFlows>,
    /// In place of the host's registry.
    pub embedded: Option<Embedded>,
    pub catalog_recovery: CatalogRecovery,
    pub newer: newer_params::Seen,
    pub variables: VariableReader,
    pub burst: Arc<Mutex<Burst>>,
    pub starts: Starts,
}

/// The parameter object of one call.
pub struct Params<'env> {
    function: &'static str,
    object: Value<'env>,
    members: Picked<'env>,
}

/// What calls may be given.
const PARAMS: Names = &[
    "authorize",
    "configServers",
    "connectionTarget",
    "connectionTimeout",
    "customUserVars",
    "deadlineMs",
    "flowManager",
    "forceNew",
    "graphTokenResolver",
    "jobCreatedAt",
    "maxTotalTimeout",
    "mcpApps",
    "method",
    "oauthEnd",
    "oauthStart",
    "oboIdentityContext",
    "oboTokenResolver",
    "oboTrustChecker",
    "onDiscoveryDetached",
    "onOAuthCredentialsAdopted",
    "onOAuthCredentialsChanged",
    "onOAuthCredentialsChanging",
    "onOAuthCredentialsInvalidated",
    "onprogress",
    "options",
    "params",
    "provider",
    "recoveryPolicy",
    "requestBody",
    "requestScopedConnections",
    "returnOnOAuth",
    "scheduledBearerInvocation",
    "scheduledMCPInvocation",
    "serverConfig",
    "serverName",
    "signal",
    "streamId",
    "timeout",
    "tokenMethods",
    "toolArguments",
    "toolName",
    "upstreamTokenProvider",
    "upstreamTokenProviderResolver",
    "user",
    "userMCPAuthMap",
];

impl<'env> Params<'env> {
    pub fn new(
        scope: Scope<'env>,
        function: &'static str,
        argument: Option<Value<'env>>,
    ) -> JsResult<'env, Self> {
        match argument.filter(|argument| argument.is_object()) {
            Some(object) => Ok(Self {
                function,
                object,
                members: object.pick(PARAMS)?,
            }),
            None => Err(scope.type_error(&format!("{function}: the parameters must be an object"))),
        }
    }

    pub fn object(&self) -> Value<'env> {
        self.object
    }

    /// Whether it was given, whatever it is.
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some()
    }

    /// What a value is refused with.
    pub fn wrong(&self, name: &str, what: &str) -> Thrown<'env> {
        let function = self.function;
        let message = format!("{function}: params.{name} {what}");
        self.object.scope().type_error(&message)
    }

    pub fn typed(
        &self,
        name: &str,
        kind: Type,
        expected: &str,
    ) -> JsResult<'env, Option<Value<'env>>> {
        debug_assert!(PARAMS.contains(&name), "{name} is not in the list");
        let Some(value) = self.members.get(name) else {
            return Ok(None);
        };
        if value.kind() == kind {
            return Ok(Some(value));
        }
        let (function, actual) = (self.function, describe(value));
        Err(value.scope().type_error(&format!(
            "{function}: params.{name} must be {expected}, got {actual}"
        )))
    }

    pub fn text(&self, name: &str) -> JsResult<'env, Option<String>> {
        Ok(self
            .typed(name, Type::String, "a string")?
            .and_then(Value::as_string))
    }

    pub fn boolean(&self, name: &str) -> JsResult<'env, Option<bool>> {
        Ok(self
            .typed(name, Type::Boolean, "a boolean")?
            .and_then(Value::as_bool))
    }

    pub fn object_member(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        self.typed(name, Type::Object, "an object")
    }

    pub fn function(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        self.typed(name, Type::Function, "a function")
    }

    /// Milliseconds; negative and non-numbers are none, as for JavaScript's timers.
    pub fn duration(&self, name: &str) -> JsResult<'env, Option<Duration>> {
        let value = self
            .typed(name, Type::Number, "a number of milliseconds")?
            .and_then(Value::as_number);
        Ok(value.map(|milliseconds| {
            Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
        }))
    }

    pub fn signal(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        let Some(signal) = self.typed(name, Type::Object, "an AbortSignal")? else {
            return Ok(None);
        };
        if signal.get("addEventListener")?.is_function() {
            return Ok(Some(signal));
        }
        let function = self.function;
        Err(signal.scope().type_error(&format!(
            "{function}: params.{name} must be an AbortSignal, got an object"
        )))
    }
}

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

impl Shared {
    /// Reads what all calls have in common. A member of a wrong type is a `TypeError`; an absent one never is.
    pub fn call<'env>(
        &self,
        scope: Scope<'env>,
        params: Option<&Params<'env>>,
    ) -> JsResult<'env, Call> {
        let user = params.map_or(Ok(None), |params| params.object_member("user"))?;
        self.call_for(scope, params, user)
    }

    /// The same for a user who is no parameter.
    pub fn call_for<'env>(
        &self,
        scope: Scope<'env>,
        params: Option<&Params<'env>>,
        user: Option<Value<'env>>,
    ) -> JsResult<'env, Call> {
        let Variables {
            environment,
            settings,
        } = self.variables.read(scope)?;
        let member = |name| match params {
            Some(params) => params.object_member(name),
            None => Ok(None),
        };
        let config_servers = member("configServers")?;
        let target = params.map(newer_params::target).transpose()?;
        let target = target.unwrap_or_default();
        let server_config = target.config;
        let custom_user_vars = member("customUserVars")?;
        let request_body = member("requestBody")?;
        let signal = params
            .map(|params| params.signal("signal"))
            .transpose()?
            .flatten();
        let connection_timeout = params
            .map(|params| params.duration("connectionTimeout"))
            .transpose()?
            .flatten();

        let context = Arc::new(CallContext::new(
            &self.thread,
            &self.realm,
            &self.host,
            scope,
        )?);
        let present = services::present(self.host.get(scope))?;
        let known_user = user.map(convert::user).transpose()?;
        let given = server_config.map(|config| JsRef::new(&self.thread, config).map(Arc::new));
        let given = given.transpose()?;
        let node = Arc::new(NodeHost {
            context: Arc::clone(&context),
            environment: environment.clone(),
            embedded: self.embedded.as_ref().map(Embedded::config),
            config_servers: config_servers
                .map(|servers| JsRef::new(&self.thread, servers))
                .transpose()?
                .map(Arc::new),
            present,
            recovers_catalogs: self.catalog_recovery.is_used(),
            principal: Principal::of(known_user.as_ref()),
            configs: Arc::new(Configs::given(given)),
            published: Mutex::default(),
            early: Arc::default(),
        });
        let logger = logger_of(present, &context, &environment);
        self.newer.tell(&target, &logger);
        self.flows.keep_for(settings.flow_ttl());
        let host = self.services(scope, params, user, present, &node, logger)?;
        let cancel = self.manager.closing().child_token();
        let server_config = server_config
            .map(|config| convert::server_config(config, &environment))
            .transpose()?;
        let abort = signal
            .map(|signal| AbortLink::new(&self.thread, signal, &cancel))
            .transpose()?;
        Ok(Call {
            host,
            node,
            settings,
            user: known_user,
            user_vars: custom_user_vars.map(convert::texts).transpose()?,
            request_body: request_body.map(convert::texts).transpose()?,
            server_config: server_config.flatten(),
            has_config_servers: config_servers.is_some(),
            is_principals: target.is_principals,
            connection_timeout,
            request: member("requestScopedConnections")?
                .map(|store| RequestStore::of(self, store))
                .transpose()?,
            cancel,
            abort,
        })
    }
}

impl Shared {
    /// The host's services as the core's traits; parameters of the call come before members of the host.
    pub fn services<'env>(
        &self,
        scope: Scope<'env>,
        params: Option<&Params<'env>>,
        user: Option<Value<'env>>,
        present: Present,
        node: &Arc<NodeHost>,
        logger: Logger,
    ) -> JsResult<'env, Host> {
        let (context, environment) = (&node.context, &node.environment);
        let keep = |value: Option<Value<'env>>| {
            value
                .map(|value| JsRef::new(&self.thread, value).map(Arc::new))
                .transpose()
        };
        let function = |name| params.map_or(Ok(None), |params| params.function(name));
        let object = |name| params.map_or(Ok(None), |params| params.object_member(name));
        let flows: Arc<dyn FlowStore> = match keep(object("flowManager")?)? {
            Some(given) => NodeFlows::store(context, Service::Given(given)),
            None if present.has("flowManager") => {
                NodeFlows::store(context, Service::Host("flowManager"))
            }
            None => Arc::clone(&self.flows) as _,
        };
        let tokens = match keep(object("tokenMethods")?)? {
            Some(given) => Some(NodeTokens::store(context, Service::Given(given))),
            None => present
                .has("tokenMethods")
                .then(|| NodeTokens::store(context, Service::Host("tokenMethods"))),
        };
        let prompt = NodePrompt {
            context: Arc::clone(context),
            start: keep(function("oauthStart")?)?,
            end: keep(function("oauthEnd")?)?,
        };
        let mut host = Host {
            registry: Arc::clone(node) as _,
            publisher: present.has(UPDATE_TOOLS).then(|| Arc::clone(node) as _),
            connections: present.has(CONNECTIONS).then(|| Arc::clone(node) as _),
            tokens,
            flows: Some(flows),
            prompt: Some(Arc::new(prompt)),
            credential_events: credential_events(context, scope, params, present)?,
            tenancy: present
                .has("getTenantId")
                .then(|| Arc::new(NodeTenancy(Arc::clone(context))) as _),
            lock: present
                .has("lock")
                .then(|| Arc::new(NodeLock(Arc::clone(context))) as _),
            exchanged_tokens: None,
            on_behalf_of: None,
            upstream_tokens: None,
            identity: None,
            server_requests: HostHandlers::new(context, present)
                .map(|handlers| Arc::new(handlers) as _),
            redirects: None,
            credentials_key: Arc::new(credentials_key(self.host.get(scope), environment)?),
            logger,
            environment: environment.clone(),
        };
        if let Some(embedded) = &self.embedded {
            embedded.attach(&mut host, scope, &self.manager)?;
        }
        let mut given = obo::Given::new();
        for name in obo::PER_CALL {
            if let Some(function) = keep(function(name)?)? {
                given.insert(name, function);
            }
        }
        let identity = upstream::attach(&mut host, context, params)?;
        obo::attach(&mut host, context, user, keep(identity)?, given, present)?;
        Ok(host)
    }
}
