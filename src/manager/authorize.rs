//! A user's authorization with the server of a connection.

use super::{CallScope, Manager, ServerScope};
use crate::connection::Recipe;
use crate::error::Result;
use crate::oauth::{Authorizer, OAuth, OAuthOptions, Relation};
use crate::server_config::Transport;

impl Manager {
    /// `None` for servers that users do not authorize with, and for connections that belong to no user.
    ///
    /// Fails with [`Code::TokenStore`](crate::error::Code::TokenStore) where the host can store no tokens.
    pub fn authorizer(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<Authorizer>> {
        let (Some(user_id), Transport::Http { url, proxy, .. }, true) = (
            server.key.owner.user_id(),
            &recipe.config.transport,
            server.config.runs_oauth_flow(),
        ) else {
            return Ok(None);
        };
        let relation = Relation {
            user_id: user_id.to_owned(),
            server_name: recipe.server_name.clone(),
            server_url: url.clone(),
            options: OAuthOptions::new(recipe.config.oauth.as_ref()),
            oauth_headers: recipe.config.oauth_headers.clone(),
            proxy: proxy.clone(),
            rules: recipe.rules.clone(),
            settings: recipe.settings.clone(),
        };
        Authorizer::new(self.oauth(), self.0.http.clone(), call.host, relation).map(Some)
    }

    /// What all authorizers of the runtime share.
    #[must_use]
    pub fn oauth(&self) -> &OAuth {
        &self.0.oauth
    }
}
