//! Refreshes that callers of `MCPTokenStorage`'s functions share: one at a time for a tenant, a user, a server and a scope.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::call::Call;
use crate::error::{Code, Error, Result};
use crate::flights::{Flight, Flights};
use crate::host::{Level, LogMeta, Logger, tenant_of};
use crate::node::engine::workers;
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::host::given_leases::{GivenLeases, seen};
use crate::node::host::prompt::NodeTenancy;
use crate::node::host::witness::NodeWitness;
use crate::node::marshal::callback::Callback;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{JsonObject, text_member};
use crate::node::marshal::services;
use crate::node::marshal::to_js::ToJs;
use crate::oauth::{
    self, GrantRefresher, Leases, Seen, Storage, StoredClient, Tokens, Unwitnessed, mark_rejected,
};
use crate::secret::Secret;

/// `MCPTokenStorage.INFLIGHT_REFRESH_STALE_MS`: a caller's `refreshTokens` is told to stop after this long.
const STALE: Duration = Duration::from_mins(1);
/// Bound on a caller's `refreshTokens`, told or not.
const LIMIT: Duration = Duration::from_mins(2);

const REFRESH: Callback<(Secret, JsonObject, Signal), Option<JsonObject>> =
    Callback::new("refreshTokens", LIMIT);

/// That of an `AbortController`.
struct Signal(Arc<JsRef>);

impl<'env> ToJs<'env> for Signal {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.0.get(scope).get("signal")
    }
}

/// The caller's `refreshTokens(refreshToken, { userId, serverName, identifier, clientInfo, storedTokenEndpoint,
/// storedAuthMethods, storedServerUrl, clientSource, resource }, signal)`.
pub struct NodeRefresher {
    context: Arc<CallContext>,
    refresh: Arc<JsRef>,
    /// An `AbortController`.
    stop: Arc<JsRef>,
    user_id: String,
    server_name: String,
}

impl NodeRefresher {
    pub fn new<'env>(
        context: &Arc<CallContext>,
        refresh: Value<'env>,
        storage: &Storage,
    ) -> JsResult<'env, Self> {
        let controller = refresh.scope().global()?.get("AbortController")?;
        Ok(Self {
            context: Arc::clone(context),
            refresh: context.keep(refresh)?,
            stop: context.keep(controller.construct(&[])?)?,
            user_id: storage.user_id().to_owned(),
            server_name: storage.server_name().to_owned(),
        })
    }

    /// What is known about the refresh token.
    fn known(&self, client: Option<&StoredClient>) -> Map<String, Json> {
        let member = |name: &str| client.and_then(|stored| stored.metadata.get(name)).cloned();
        let mut known = Map::new();
        let mut set = |name: &str, value: Option<Json>| {
            known.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("userId", Some(json!(self.user_id)));
        set("serverName", Some(json!(self.server_name)));
        let identifier = format!("mcp:{}", self.server_name);
        set("identifier", Some(json!(identifier)));
        let info = client.map(|stored| Json::Object(stored.client.0.clone()));
        set("clientInfo", info);
        let methods = member("token_endpoint_auth_methods_supported").filter(Json::is_array);
        set("storedAuthMethods", methods);
        for (name, stored) in [
            ("storedTokenEndpoint", "token_endpoint"),
            ("storedServerUrl", "server_url"),
            ("clientSource", "client_source"),
            ("resource", "resource"),
        ] {
            set(name, member(stored).filter(Json::is_string));
        }
        known
    }

    fn stop(&self) {
        let stop = Arc::clone(&self.stop);
        self.context.thread.post(move |scope| {
            let controller = stop.get(scope);
            let stopped = || -> JsResult<'_, ()> {
                controller.call_method("abort", &[])?;
                Ok(())
            };
            // Whoever replaced `AbortController` gets no signal.
            let _ = stopped();
        });
    }
}

#[async_trait]
impl GrantRefresher for NodeRefresher {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        client: Option<&StoredClient>,
    ) -> Result<Tokens> {
        let known = self.known(client);
        let arguments = (refresh_token.clone(), known, Signal(Arc::clone(&self.stop)));
        let call = REFRESH.call(&self.context, &self.refresh, arguments);
        let stale = Instant::now() + STALE;
        futures::pin_mut!(call);
        let tokens = tokio::select! {
            tokens = &mut call => tokens?,
            () = tokio::time::sleep_until(stale) => {
                self.stop();
                call.await?
            }
        };
        let tokens = tokens.map(Json::Object);
        tokens.as_ref().and_then(Tokens::from_value).ok_or_else(|| {
            Error::new(
                Code::OAuthRefreshFailed,
                "refreshTokens returned no access token",
            )
        })
    }
}

/// What a call brings for a refresh.
pub struct Refresh {
    storage: Storage,
    logger: Logger,
    refresher: Option<NodeRefresher>,
    creates: bool,
    /// Absent where the caller gave no flow manager that has any.
    leases: Option<GivenLeases>,
    witness: NodeWitness,
    listens: bool,
    seen: Seen,
    tenancy: Option<NodeTenancy>,
    /// Those of the runtime.
    redemptions: Flights<String, Option<Tokens>>,
    scope: String,
}

impl Refresh {
    /// `listens`: to `onRefreshSuccess`, also without leases.
    pub fn read<'env>(call: &Call<'env>, listens: bool) -> JsResult<'env, Self> {
        let params = call.argument(0);
        // Apart from the reading that leads here: a refresh looks up everything itself.
        let storage = call.storage(params)?;
        let refresh = params.get("refreshTokens")?;
        let refresher = if refresh.is_function() {
            Some(NodeRefresher::new(&call.context, refresh, &storage)?)
        } else {
            None
        };
        let present = services::present(call.context.host(call.scope))?;
        let oauth = call.runtime.manager.oauth();
        let is_own = storage.is_own();
        Ok(Self {
            storage,
            logger: call.logger.clone(),
            refresher,
            creates: is_own || params.get("createToken")?.is_function(),
            leases: GivenLeases::read(&call.context, &call.logger, params)?,
            witness: NodeWitness::of_refresh(&call.context, oauth, params)?,
            listens,
            seen: seen(params)?,
            tenancy: NodeTenancy::of(&call.context, present),
            redemptions: call.runtime.redemptions.clone(),
            scope: text_member(params, "singleFlightScope")?.unwrap_or_default(),
        })
    }

    /// Whether the caller gave a flow manager that has leases.
    pub fn is_leased(&self) -> bool {
        self.leases.is_some()
    }

    /// The same after the tokens have been looked at.
    pub fn having_seen(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    /// Refreshes, or shares the refresh that is under way.
    pub async fn begin(self) -> Result<Flight<Option<Tokens>>> {
        let tenant = tenant_of(self.tenancy.as_ref()).await?;
        let (user_id, server_name) = (self.storage.user_id(), self.storage.server_name());
        let mut key = json!([tenant, user_id, server_name, self.scope]);
        // Whose token was refused differs wants another one than those who share this.
        if let (Some(leases), Json::Array(parts)) = (&self.leases, &mut key)
            && leases.coordinates()
        {
            parts.push(match &self.seen.refused {
                None => json!(["unknown"]),
                Some(refused) => json!(["known", refused]),
            });
        }
        let key = key.to_string();
        if let Some(redemption) = self.redemptions.get(&key) {
            return Ok(self.share(redemption));
        }
        let _entered = workers::handle().ok_or_else(Error::internal)?.enter();
        let redemptions = self.redemptions.clone();
        Ok(redemptions.join_lasting(&key, self.redeem()))
    }

    /// A caller that was refused says so, also where somebody else refreshes already.
    fn share(self, redemption: Flight<Option<Tokens>>) -> Flight<Option<Tokens>> {
        let Some(refused) = self.seen.refused.clone().flatten() else {
            return redemption;
        };
        let shared = async move {
            let noted = async {
                let leases = self.find_leases().await?;
                if leases.is_some() {
                    let (storage, logger) = (&self.storage, &self.logger);
                    mark_rejected(storage, leases.as_ref(), &refused, logger).await;
                }
                Ok::<_, Error>(())
            };
            let (outcome, _) = tokio::join!(redemption, noted);
            outcome
        };
        shared.boxed().shared()
    }

    async fn find_leases(&self) -> Result<Option<Leases>> {
        match &self.leases {
            Some(given) => given.find(&self.storage).await.map(Some),
            None => Ok(None),
        }
    }

    async fn redeem(self) -> Result<Option<Tokens>> {
        let prefix = self.storage.log_prefix();
        let Some(refresher) = &self.refresher else {
            self.logger.warn(format!(
                "{prefix} Cannot refresh tokens: no `refreshTokens` callback provided"
            ));
            return Ok(None);
        };
        if !self.creates {
            self.logger.warn(format!(
                "{prefix} Cannot refresh tokens: no `createToken` function provided"
            ));
            return Ok(None);
        }
        let leases = self.find_leases().await?;
        let redemption = oauth::Redemption {
            storage: &self.storage,
            refresher,
            leases: leases.as_ref(),
            seen: self.seen.clone(),
            witness: if leases.is_some() {
                &self.witness
            } else {
                &Unwitnessed
            },
            logger: &self.logger,
        };
        let tokens = redemption.redeem().await?;
        if let Some(tokens) = tokens.as_ref().filter(|_| leases.is_none() && self.listens)
            && let Err(error) = self.witness.refreshed(tokens).await
        {
            let message = format!("{prefix} onRefreshSuccess callback failed");
            self.logger
                .with(Level::Warn, message, LogMeta::Error(error));
        }
        Ok(tokens)
    }
}
