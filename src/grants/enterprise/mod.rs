//! Enterprise-managed authorization (SEP-990): the user's ID token is exchanged at the identity provider for an
//! ID-JAG, an assertion for one authorization server, and that one gives an access token for it.
//!
//! Tokens are kept as those on behalf of users are, and it fails closed as these do: without a token there is an
//! error, and nothing to send. The ID token goes to the operator's identity provider and nowhere else, the ID-JAG to the
//! authorization server whose issuer it was asked for.

mod diagnosis;
mod exchange;
mod identity_provider;
mod target;
mod token_endpoint;

use std::sync::Arc;

use diagnosis::{Step, hint, missing_id_token, refused};
use exchange::{IdJagExchange, Seen};
use identity_provider::Provider;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};
pub use target::Target;
use tokio::time::timeout_at;

use super::authorization_server::AuthorizationServers;
use crate::digest::Parts;
use crate::error::{Code, Error, Result};
use crate::foreign_text::SentSecrets;
use crate::host::tenant_of;
use crate::log::{Level, LogMeta};
use crate::network::HttpClient;
use crate::obo::{CacheKey, Entry, ExchangedTokens, ServerToken, Wanted, add_identity};
use crate::secret::Secret;
use crate::server_config::OpenIdTokenInfo;

const SERVICE: &str = "[EnterpriseTokenService]";
const NAMESPACE: &str = "librechat-mcp-native:enterprise:v1";

/// What both exchanges gave; neither token is told.
pub struct Explained {
    /// The claims of the ID-JAG; absent where another call had asked for it.
    pub id_jag: Option<Map<String, Value>>,
    /// How long the access token is good, in seconds.
    pub expires_in: u64,
}

/// The exchanges of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Enterprise {
    http: HttpClient,
    tokens: ExchangedTokens,
    servers: AuthorizationServers,
}

impl Enterprise {
    #[must_use]
    pub const fn new(
        http: HttpClient,
        tokens: ExchangedTokens,
        servers: AuthorizationServers,
    ) -> Self {
        Self {
            http,
            tokens,
            servers,
        }
    }

    /// The token of a user for a server. Asked again for each call: a cache answers.
    ///
    /// # Errors
    /// As [`Obo::token`](crate::obo::Obo::token), with who can mend it.
    pub async fn token(&self, request: &ServerToken<'_>, target: Arc<Target>) -> Result<Secret> {
        Ok(self.told(request, target, None).await?.token)
    }

    /// Makes both exchanges anew, for who wants to see what comes of them.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub async fn explain(
        &self,
        request: &ServerToken<'_>,
        target: Arc<Target>,
    ) -> Result<Explained> {
        let seen = Seen::default();
        let entry = self.told(request, target, Some(Arc::clone(&seen))).await?;
        Ok(Explained {
            id_jag: seen.get().cloned(),
            expires_in: entry.expires_in(),
        })
    }

    async fn told(
        &self,
        request: &ServerToken<'_>,
        target: Arc<Target>,
        seen: Option<Seen>,
    ) -> Result<Entry> {
        request.check_trust().await?;
        match self.resolve(request, target, seen).await {
            Err(error) if !matches!(error.code, Code::Aborted | Code::Closed) => {
                let hint = hint(&error);
                Err(request.framed(error, "", hint))
            }
            outcome => outcome,
        }
    }

    async fn resolve(
        &self,
        request: &ServerToken<'_>,
        target: Arc<Target>,
        seen: Option<Seen>,
    ) -> Result<Entry> {
        let exchanged = async {
            let scope = target.options.scope.clone().unwrap_or_default();
            let id_token = id_token(request, &scope).await?;
            let outcome = self
                .exchanged(request, target, &scope, id_token, seen)
                .await;
            outcome.map_err(|error| {
                if matches!(error.code, Code::Aborted | Code::Closed) {
                    return error;
                }
                let message = format!("{SERVICE} Failed to get a token:");
                let logger = &request.host.logger;
                logger.with(Level::Error, message, LogMeta::Error(error.clone()));
                refused(error)
            })
        };
        let late = || Error::timeout("The exchange of the ID token timed out");
        let outcome = timeout_at(request.deadline, exchanged).await;
        outcome.unwrap_or_else(|_| Err(refused(Step::Server.failed(late()))))
    }

    async fn exchanged(
        &self,
        request: &ServerToken<'_>,
        target: Arc<Target>,
        scope: &str,
        id_token: Secret,
        seen: Option<Seen>,
    ) -> Result<Entry> {
        let host = request.host;
        let found = Provider::of(&target, host).await;
        let provider = found.map_err(|error| Step::IdentityProvider.failed(error))?;
        let tenant = tenant_of(host.tenancy.as_deref()).await?;
        let subject = host.identity.as_ref();
        let subject = subject.and_then(|identity| identity.openid_subject.as_deref());
        let user = subject.or(request.user.openid_id()).unwrap_or_default();

        let mut parts = Parts::of(NAMESPACE);
        add_identity(&mut parts, host.identity.as_ref());
        for part in [
            tenant.as_deref().unwrap_or_default(),
            request.user.id.as_deref().unwrap_or_default(),
            user,
            target.url.as_str(),
            scope,
        ] {
            parts.add(part);
        }
        let options = &target.options;
        for part in [&options.client_id, &options.issuer, &options.token_url] {
            parts.add(part.as_deref().unwrap_or_default());
        }
        for part in provider.name() {
            parts.add(part);
        }
        parts.add(digest(&SHA256, id_token.expose().as_bytes()));
        let (server_name, user_id) = (Some(request.server_name), request.user.id.as_deref());
        let source = self
            .http
            .tracer()
            .source(server_name, user_id, SentSecrets::default);
        let wanted = Wanted {
            source: &source,
            host,
            key: CacheKey::of(parts),
            service: SERVICE,
            name: "enterprise",
            user,
            user_id,
            scopes: scope,
            from_cache: seen.is_none(),
            rejected: request.rejected,
        };
        let exchange = IdJagExchange {
            http: self.http.clone(),
            servers: self.servers.clone(),
            host: host.clone(),
            server_name: request.server_name.to_owned(),
            user: user.to_owned(),
            target,
            provider,
            id_token,
            seen,
        };
        self.tokens.get(&wanted, exchange).await
    }
}

/// The ID token of the login. One may end before the access token does that the session looks at, so the session is asked
/// to refresh it then.
async fn id_token(request: &ServerToken<'_>, scope: &str) -> Result<Secret> {
    let of_login = |login: &Option<OpenIdTokenInfo>| {
        let login = login.as_ref()?;
        Some((login.id_token.is_some(), login.valid_id_token().cloned()))
    };
    let (login, is_live) = request.login_tokens(scope, false).await?;
    let mut found = of_login(&login);
    if is_live && matches!(found, Some((true, None))) {
        found = of_login(&request.login_tokens(scope, true).await?.0);
    }
    found.and_then(|(_, token)| token).ok_or_else(|| {
        let logger = &request.host.logger;
        logger.warn(format!(
            "{SERVICE} No valid ID token to exchange (hasLiveSession: {is_live}, hasOpenidId: {})",
            request.user.openid_id().is_some()
        ));
        missing_id_token()
    })
}
