//! What the connection of a call is made from.

use std::sync::Arc;

use super::forwarding::forward_token;
use super::key::Owner;
use super::refresh::publishes;
use super::scope::{CallScope, ServerScope, check_request_headers, template};
use super::state::Manager;
use super::watch::KeyObserver;
use crate::clock::now_ms;
use crate::connection::{EpochMark, LoginInUse, Recipe, SharedSession};
use crate::error::Result;
use crate::governance::{Guard, PinScope, Reporter, Watched};
use crate::log::log_prefix;
use crate::network::Policy;
use crate::secret::Secret;
use crate::server_config::{Context, Transport, resolve};
use crate::transport::Bearer;

impl Manager {
    /// The same rules as those of the connection before, where they are equal.
    fn shared(&self, policy: Policy) -> Policy {
        let mut last = self.0.policy.lock();
        match &*last {
            Some(known) if *known == policy => known.clone(),
            _ => last.insert(policy).clone(),
        }
    }

    /// What a connection of this scope is made from. `graph`: the call's token for Microsoft Graph, where the config has a
    /// place for one.
    pub fn recipe(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        graph: Option<&Secret>,
    ) -> Result<Recipe> {
        let context = Context {
            graph_token: graph.filter(|_| server.key.owner != Owner::App),
            ..call.context(&server.key.owner)
        };
        let config = resolve(&server.config, &context)?;
        let kind = config.transport.kind();
        check_request_headers(&server.config, kind)?;
        let mut rules = server.rules.clone();
        rules.tls = config.server_tls(&server.key.server_name)?;
        let policy = self.shared(Policy::new(&rules, &call.host.environment, config.proxy())?);
        if let Transport::Http { url, .. } = &config.transport {
            // Before anything is asked of the server, its authorization included.
            policy.check_url(url)?;
        }
        let tool_rules = server.rules_of_tools(call.host)?;
        let identity = server.config.identity(server.key.owner.user_id());
        let mut recipe = Recipe {
            server_name: server.key.server_name.to_string(),
            user_id: server.key.owner.user_id().map(str::to_owned),
            fingerprint: call.fingerprint(server)?,
            template: template(call.host, &server.config, &server.rules)?,
            uses_oauth: server.config.is_oauth_server(),
            made_at: now_ms(),
            config,
            bearer: Bearer::default(),
            login: LoginInUse::default(),
            tokens: None,
            policy,
            rules,
            http: self.0.http.clone(),
            children: self.0.children.clone(),
            retries: true,
            settings: Arc::clone(call.settings),
            metrics: Arc::clone(&self.0.metrics),
            environment: call.host.environment.clone(),
            shared: None,
            epoch: None,
            server_requests: call.host.server_requests.clone(),
            client: Arc::clone(&call.host.client),
            publisher: call.host.publisher.clone(),
            limits: call.host.limits.clone(),
            results: self.0.results.clone(),
            lists: self.0.lists.clone(),
            guard: Guard::of(tool_rules.as_ref(), &server.key.server_name, || Watched {
                reporter: Reporter {
                    server_name: server.key.server_name.to_string(),
                    prefix: log_prefix(server.key.owner.user_id(), &server.key.server_name),
                    logger: call.host.logger.clone(),
                    metrics: Arc::clone(&self.0.metrics),
                },
                identity: identity.clone(),
                is_shared: server.key.owner == Owner::App,
                scope: PinScope::of(call.host),
                tasks: self.0.tasks.clone(),
            }),
            own_rules: server.config.rules.clone(),
            identity,
            observer: Some(Arc::new(KeyObserver {
                manager: Arc::downgrade(&self.0),
                key: server.key.clone(),
                publishes: publishes(&server.key.owner, call.host.publisher.as_ref()),
            })),
            logger: call.host.logger.clone(),
        };
        // Without connections that are kept, a session would be written for others only to end with its call.
        if let (true, Owner::App | Owner::User(_), Some(store)) = (
            self.0.keep_connections,
            &server.key.owner,
            &call.host.shared_sessions,
        ) && let Ok(Some(key)) = call.host.credentials_key.key()
        {
            recipe.shared = SharedSession::of(&recipe, store, &key, &self.0.sharing);
        }
        if let (true, Some(store)) = (server.config.runs_oauth_flow(), &call.host.shared_sessions) {
            recipe.epoch = EpochMark::of(&recipe, store, &self.0.sharing);
        }
        if let Some(authorizer) = self.authorizer(call, server, &recipe)? {
            recipe.login = LoginInUse::of_several();
            recipe.tokens = Some(Arc::new(authorizer));
        } else if let Some(tokens) = self.machine_tokens(call, server, &recipe)? {
            recipe.tokens = Some(tokens);
        } else {
            recipe.tokens = self.obo_tokens(call, server, &recipe)?;
            if recipe.tokens.is_none() {
                forward_token(call, server, &mut recipe);
            }
        }
        Ok(recipe)
    }
}
