//! What follows from a config: who may share its connection, and what it needs first.

use indexmap::IndexMap;

use super::find_named::is_of_calls;
use super::grant::Grant;
use super::model::ServerConfig;
use super::placeholders::{Context, Depth, Expander, Trust, Variables, placeholders};
use super::text::js_trim;
use crate::environment::Environment;

impl ServerConfig {
    /// Whether users authorize with this server through OAuth.
    #[must_use]
    pub fn is_oauth_server(&self) -> bool {
        self.requires_oauth.unwrap_or(self.oauth.is_some())
    }

    /// How a token is asked for where no user logs in for it.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        Grant::of(self.oauth.as_ref()?)
    }

    /// Whether this program has a token of its own for the server, the same for all users.
    #[must_use]
    pub fn has_machine_grant(&self) -> bool {
        self.grant().is_some_and(Grant::is_machine)
    }

    /// Whether a token of each user's login is exchanged for the server's: on behalf of the user, or because their
    /// identity provider vouches for them.
    #[must_use]
    pub fn exchanges_tokens(&self) -> bool {
        self.obo_scopes.is_some() || self.grant() == Some(Grant::Enterprise)
    }

    /// Whether connecting may need tokens of the user, through OAuth or an exchange.
    #[must_use]
    pub fn requires_oauth_machinery(&self) -> bool {
        self.exchanges_tokens() || self.is_oauth_server() && !self.forwards_token()
    }

    /// Whether a refused request may lead to an OAuth flow. Neither an exchange nor a server that gets the user's own
    /// token falls back to one.
    #[must_use]
    pub fn runs_oauth_flow(&self) -> bool {
        self.is_oauth_server() && !self.exchanges_tokens() && !self.forwards_token()
    }

    #[must_use]
    pub fn has_custom_user_vars(&self) -> bool {
        !self.custom_user_vars.is_empty()
    }

    /// Whether each user needs a connection of their own. More than the reference, which asks for OAuth,
    /// on-behalf-of and variables only: a placeholder of the user or the request is as personal.
    #[must_use]
    pub fn requires_user_scoped_connection(&self) -> bool {
        self.requires_oauth == Some(true)
            || self.exchanges_tokens()
            || self.has_custom_user_vars()
            || self.named().is_personal
    }

    /// Whether the URL is known only when a user's or a request's values are filled in.
    #[must_use]
    pub fn has_url_placeholders(&self) -> bool {
        let url = self.url.as_deref().unwrap_or_default();
        placeholders(url).next().is_some()
    }

    /// Whether a user made the config. Its placeholders are then that user's variables and nothing else.
    #[must_use]
    pub fn is_user_sourced(&self) -> bool {
        match self.source.as_deref() {
            Some(source) => source == "user",
            // Configs cached before `source` existed.
            None => self.db_id.is_some(),
        }
    }

    /// What tells the server from an operator's of the same name, which has nothing of that kind: the id of its row, else whose
    /// it is. `user_id` is who uses it.
    #[must_use]
    pub fn identity(&self, user_id: Option<&str>) -> Option<String> {
        if self.db_id.is_some() || (self.is_operators() && !self.is_plugin_sourced()) {
            return self.db_id.clone();
        }
        let source = self.source.as_deref().unwrap_or_default();
        let user = user_id.filter(|_| self.is_user_sourced());
        Some(format!("{source}:{}", user.unwrap_or_default()))
    }

    /// Whether a plugin brought the config. Nothing in it is filled in.
    #[must_use]
    pub(super) fn is_plugin_sourced(&self) -> bool {
        self.source.as_deref() == Some("plugin")
    }

    /// What may be filled in for a call.
    pub(super) fn expander<'a>(&'a self, context: &Context<'a>, depth: Depth) -> Expander<'a> {
        let trust = if self.is_plugin_sourced() {
            Trust::Plugin
        } else if self.is_user_sourced() {
            Trust::User
        } else {
            Trust::Operator
        };
        let declared = Variables::Declared(&self.custom_user_vars);
        Expander::new(context, trust, declared, depth)
    }

    /// Whether its texts are taken as they are, but for variables of users.
    pub(super) fn is_literal(&self) -> bool {
        self.is_user_sourced() || self.is_plugin_sourced()
    }

    /// Whether tool calls carry headers that nothing else does. A connection that all users share cannot serve such a
    /// server, as in the reference.
    #[must_use]
    pub fn has_request_headers(&self) -> bool {
        !self.request_headers.is_empty()
    }

    /// Whether the server is one that all users may share a connection to.
    #[must_use]
    pub fn can_use_app_connection(&self) -> bool {
        self.startup
            && self.shared
            && !self.is_user_sourced()
            && !self.requires_user_scoped_connection()
            && !self.has_request_headers()
    }

    /// Whether there is a connection that all users share.
    #[must_use]
    pub fn allows_app_connection(&self) -> bool {
        !self.inspection_failed && self.can_use_app_connection()
    }

    /// Whether nothing but placeholders of users or requests makes it a server of each user.
    #[must_use]
    pub fn is_shared_but_for_placeholders(&self) -> bool {
        let is_personal = self.requires_oauth == Some(true)
            || self.exchanges_tokens()
            || self.has_custom_user_vars();
        self.startup
            && self.shared
            && !self.inspection_failed
            && !self.is_user_sourced()
            && !is_personal
            && self.named().is_personal
    }

    /// Fields of the chat request that the config names, and a request does not have: blank ones count as missing.
    #[must_use]
    pub fn missing_body_fields(
        &self,
        body: Option<&IndexMap<String, String>>,
    ) -> Vec<&'static str> {
        let is_missing = |field: &&str| {
            let value = body.and_then(|body| body.get(*field));
            value.is_none_or(|value| js_trim(value).is_empty())
        };
        let fields = self.body_placeholders().iter().copied();
        fields.filter(is_missing).collect()
    }

    /// Declared variables that the user has not set, in the order of declaration. A blank value counts as not set.
    #[must_use]
    pub fn missing_custom_user_vars(
        &self,
        provided: Option<&IndexMap<String, String>>,
    ) -> Vec<String> {
        self.custom_user_vars
            .iter()
            .filter(|name| {
                provided
                    .and_then(|variables| variables.get(*name))
                    .is_none_or(|value| js_trim(value).is_empty())
            })
            .cloned()
            .collect()
    }

    /// Fields of the chat request that a connection needs. Headers of tool calls are not sent when tools are listed, so
    /// what they name is not missed.
    #[must_use]
    pub fn body_placeholders(&self) -> &[&'static str] {
        &self.named().body_fields
    }

    /// Whether the config names fields of the chat request anywhere.
    #[must_use]
    pub fn is_request_scoped(&self) -> bool {
        self.named().is_request_scoped
    }

    /// Whether what a connection is made from depends on fields of the chat request. Headers do not count: each call
    /// has its own.
    #[must_use]
    pub fn is_bound_to_request(&self) -> bool {
        self.named().is_bound_to_request
    }

    /// Whether its headers may be others for each call of a user, because a token or the chat request is part of them. A
    /// variable of the environment may name these, too.
    #[must_use]
    pub fn has_headers_of_calls(&self, environment: &Environment) -> bool {
        let expanded = || {
            let context = Context::of_environment(environment);
            let expander = self.expander(&context, Depth::Lasting);
            let mut templates = self.headers.values();
            templates.any(|template| is_of_calls(&expander.with_environment(template)))
        };
        self.named().headers_of_calls.unwrap_or_else(expanded)
    }

    /// Whether the URL, a header or the environment of the config wants a token for Microsoft Graph.
    #[must_use]
    pub fn uses_graph_token(&self) -> bool {
        self.named().uses_graph_token
    }
}

#[cfg(test)]
mod tests;
