//! What all calls of a runtime share, and how a call of JavaScript is read.

use std::sync::Arc;

use parking_lot::Mutex;

use super::call::Call;
use super::catalog_recovery::CatalogRecovery;
use super::handle::Connections;
use super::request::RequestStore;
use crate::embedded::{LiveConfig, MemoryFlows, PinFiles, data_directory};
use crate::flights::Flights;
use crate::governance::MemoryPins;
use crate::host::{ClientProfile, Environment, FlowStore, Host, Logger};
use crate::manager::Manager;
use crate::node::engine::{
    AbortLink, JsRef, JsResult, JsThread, Present, Scope, StartBatch, Value,
};
use crate::node::host::audit::AuditTrail;
use crate::node::host::configs::Configs;
use crate::node::host::connections::CONNECTIONS;
use crate::node::host::credentials::credential_events;
use crate::node::host::flows::NodeFlows;
use crate::node::host::limits::{LIMITS, NodeLimits};
use crate::node::host::prompt::{NodeLock, NodePrompt, NodeTenancy};
use crate::node::host::registry::{NodeHost, Principal};
use crate::node::host::server_requests::HostHandlers;
use crate::node::host::shared_sessions::{NodeSessions, SESSIONS};
use crate::node::host::token_store::NodeTokens;
use crate::node::host::tool_pins::{NodeToolPins, TOOL_PINS};
use crate::node::host::tool_rules::HostRules;
use crate::node::host::{
    client_assertion, embedded, obo, tool_hooks, trace_context, upstream, workload,
};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::{CallContext, JsEnvironment};
use crate::node::marshal::environment::{VariableReader, Variables, credentials_key};
use crate::node::marshal::log::logger_of;
use crate::node::marshal::params::Params;
use crate::node::marshal::services::UPDATE_TOOLS;
use crate::node::marshal::{convert, newer_params, services};
use crate::oauth::Tokens;
use crate::scheduler::Burst;

/// What all calls of a runtime share.
pub struct RuntimeState {
    pub thread: JsThread,
    pub realm: Arc<JsEnvironment>,
    pub host: Arc<JsRef>,
    pub manager: Manager,
    /// The `MCPConnection` objects that were handed out.
    pub connections: Connections,
    /// For hosts without a flow manager.
    pub flows: Arc<MemoryFlows>,
    /// Which tools are approved, for hosts that keep that nowhere.
    pub tool_pins: Arc<MemoryPins>,
    /// In place of the host's registry.
    pub embedded: Option<Arc<LiveConfig>>,
    /// Of the tools of all servers.
    pub rules: HostRules,
    /// Who servers are told that we are.
    pub client: Arc<ClientProfile>,
    /// Who called what.
    pub audit: Arc<AuditTrail>,
    pub catalog_recovery: CatalogRecovery,
    pub newer: newer_params::Seen,
    pub variables: VariableReader,
    pub burst: Arc<Mutex<Burst>>,
    pub starts: StartBatch,
    /// Refreshes of callers of `runtime.tokens`, which the runtime does not wait for when it closes.
    pub redemptions: Flights<String, Option<Tokens>>,
}

impl RuntimeState {
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
        let member = |name| params.map_or(Ok(None), |params| params.object_member(name));
        let config_servers = member("configServers")?;
        let target = params.map(newer_params::target).transpose()?;
        let target = target.unwrap_or_default();
        let server_config = target.config;
        let custom_user_vars = member("customUserVars")?;
        let request_body = member("requestBody")?;
        let signal = params.map_or(Ok(None), |params| params.signal("signal"))?;
        let connection_timeout =
            params.map_or(Ok(None), |params| params.duration("connectionTimeout"))?;

        let context = Arc::new(CallContext::new(
            &self.thread,
            &self.realm,
            &self.host,
            scope,
        )?);
        let present = services::present(self.host.get(scope))?;
        let known_user = user.map(convert::user).transpose()?;
        let given = context.keep_present(server_config)?;
        let principal = Principal::of(known_user.as_ref());
        let node = Arc::new(NodeHost {
            config_servers: context.keep_present(config_servers)?,
            configs: Arc::new(Configs::given(given)),
            ..self.node_host(&context, &environment, present, principal)
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
                .map(|store| RequestStore::of(&context, &self.manager, store))
                .transpose()?,
            cancel,
            abort,
        })
    }
}

impl RuntimeState {
    /// The host's log for what belongs to no call, with the context that it is written in. Nothing else of the host is asked.
    pub fn logger<'env>(&self, scope: Scope<'env>) -> JsResult<'env, (Arc<CallContext>, Logger)> {
        let environment = self.variables.read(scope)?.environment;
        let present = services::present(self.host.get(scope))?;
        let context = CallContext::new(&self.thread, &self.realm, &self.host, scope)?;
        let context = Arc::new(context);
        let logger = logger_of(present, &context, &environment);
        Ok((context, logger))
    }

    /// The host as a call sees it that brings no configs.
    pub fn node_host(
        &self,
        context: &Arc<CallContext>,
        environment: &Environment,
        present: Present,
        principal: Principal,
    ) -> NodeHost {
        NodeHost {
            context: Arc::clone(context),
            environment: environment.clone(),
            embedded: self.embedded.as_ref().map(|live| live.edition()),
            config_servers: None,
            present,
            recovers_catalogs: self.catalog_recovery.is_used(),
            principal,
            configs: Arc::default(),
            published: Mutex::default(),
            early: Arc::default(),
        }
    }

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
        let keep = |value| context.keep_present(value);
        let function = |name| params.map_or(Ok(None), |params| params.function(name));
        let object = |name| params.map_or(Ok(None), |params| params.object_member(name));
        let service = |name| {
            let given = keep(object(name)?)?.map(Service::Given);
            Ok(given.or_else(|| present.has(name).then_some(Service::Host(name))))
        };
        let flows: Arc<dyn FlowStore> = match service("flowManager")? {
            Some(flows) => NodeFlows::store(context, flows),
            None => Arc::clone(&self.flows) as _,
        };
        let tokens = service("tokenMethods")?.map(|tokens| NodeTokens::store(context, tokens));
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
            tenancy: NodeTenancy::of(context, present).map(|it| Arc::new(it) as _),
            lock: present
                .has("lock")
                .then(|| Arc::new(NodeLock(Arc::clone(context))) as _),
            exchanged_tokens: None,
            limits: present
                .has(LIMITS)
                .then(|| Arc::new(NodeLimits(Arc::clone(context))) as _),
            tool_pins: if present.has(TOOL_PINS) {
                Arc::new(NodeToolPins(Arc::clone(context)))
            } else {
                Arc::clone(&self.tool_pins) as _
            },
            shared_sessions: present
                .has(SESSIONS)
                .then(|| Arc::new(NodeSessions(Arc::clone(context))) as _),
            on_behalf_of: None,
            workload: workload::of(context, present),
            client_assertions: client_assertion::of(context, present),
            upstream_tokens: None,
            identity: None,
            rules: self.rules.of_call(context, self.host.get(scope)),
            tool_hooks: tool_hooks::of(context, user, present)?,
            audit: self.audit.of_call(context, present, &logger),
            server_requests: HostHandlers::new(context, present)
                .map(|handlers| Arc::new(handlers) as _),
            client: Arc::clone(&self.client),
            trace: trace_context::ask(context, scope, present),
            redirects: None,
            credentials_key: Arc::new(credentials_key(self.host.get(scope), environment)?),
            logger,
            environment: environment.clone(),
        };
        if let Some(edition) = &node.embedded {
            embedded::attach(edition, &mut host, scope, &self.manager)?;
            if !present.has(TOOL_PINS) {
                host.tool_pins = Arc::new(PinFiles {
                    directory: data_directory(environment),
                });
            }
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
