//! Listing the tools of a server that wants authorization, with the user's tokens and without: some servers show what
//! they offer to anybody.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Manager;
use crate::cancel::until_closed;
use crate::connection::{
    Access, AccessTokens, Breakers, CallOptions, Connection, Generation, Known, LastFailure,
    Recipe, ToolList, connect_authorized, list_tools,
};
use crate::error::{Error, Result};
use crate::tools::RawTools;
use crate::transport::Bearer;

/// A discovery: a connection of its own, without credentials, that is closed when the tools are listed.
pub struct Discover {
    pub recipe: Arc<Recipe>,
    pub options: CallOptions,
}

/// What a user's discovery came to.
#[derive(Default)]
pub struct Discovered {
    pub tools: Option<Arc<RawTools>>,
    /// Whether the user has to authorize before tools can be called.
    pub wants_authorization: bool,
    /// The user's tokens are still being loaded, maybe refreshed: nobody waits for that any more, and it goes on. Ends
    /// when it is done.
    pub unfinished: Option<oneshot::Receiver<Loaded>>,
}

/// What loading a user's tokens came to.
type Loaded = Result<Option<Access>>;

impl Manager {
    /// Lists the tools with the tokens that the user has, else as anybody. Asks nobody to authorize.
    ///
    /// A host that recovers catalogs is told that a user without tokens has to authorize, whatever anybody may list;
    /// others only where the server says so.
    ///
    /// Fails where tokens that the user has cannot be had now.
    pub async fn discover_of_user(
        &self,
        request: Discover,
        recovers_catalogs: bool,
    ) -> Result<Discovered> {
        let prefix = request.recipe.log_prefix();
        let logger = request.recipe.logger.clone();
        let mut refused = None;
        if let Some(tokens) = &request.recipe.tokens {
            let mut loading = self.load(Arc::clone(tokens));
            let CallOptions {
                deadline, cancel, ..
            } = &request.options;
            let loaded = tokio::time::timeout_at(*deadline, &mut loading);
            let Ok(loaded) = self.until_cancelled(cancel, loaded).await? else {
                logger.debug(format!(
                    "{prefix} [Discovery] No time left while loading OAuth tokens; they go on being loaded"
                ));
                return Ok(Discovered {
                    unfinished: Some(loading),
                    ..Discovered::default()
                });
            };
            if loaded.unwrap_or_else(|_| Err(Error::closed()))?.is_some() {
                match self.list_once(&request.recipe, &request.options).await {
                    Ok(list) => {
                        return Ok(Discovered {
                            tools: Some(list.tools),
                            ..Discovered::default()
                        });
                    }
                    Err(error) => {
                        refused = Some(error.wants_authorization());
                        logger.debug(format!(
                            "{prefix} [Discovery] Connection failed, attempting unauthenticated tool listing: {error}"
                        ));
                    }
                }
            }
        }
        let listed = self.discover(request).await;
        let wants_authorization = refused.unwrap_or_else(|| {
            recovers_catalogs || listed.as_ref().is_err_and(Error::wants_authorization)
        });
        let tools = listed.inspect_err(|error| {
            logger.debug(format!(
                "{prefix} [Discovery] Unauthenticated tool listing failed: {error}"
            ));
        });
        Ok(Discovered {
            tools: tools.ok().map(|list| list.tools),
            wants_authorization,
            unfinished: None,
        })
    }

    /// In a task of its own: whoever waits may go, and what was redeemed is stored all the same.
    fn load(&self, tokens: Arc<dyn AccessTokens>) -> oneshot::Receiver<Loaded> {
        let (done, loading) = oneshot::channel();
        self.spawn(async move {
            // Nobody may be left to hear of it.
            let _ = done.send(tokens.current().await);
        });
        loading
    }

    pub async fn discover(&self, request: Discover) -> Result<ToolList> {
        let recipe = Recipe {
            bearer: Bearer::default(),
            tokens: None,
            ..request.recipe.as_ref().clone()
        };
        self.list_once(&Arc::new(recipe), &request.options).await
    }

    async fn list_once(&self, recipe: &Arc<Recipe>, options: &CallOptions) -> Result<ToolList> {
        let connection = self.temporary(recipe, options).await?;
        let tools = list_tools(&connection, options).await;
        // The caller may have a deadline, and a server need not answer the end of a session.
        self.spawn(async move { connection.close().await });
        tools
    }

    /// A connection that is in no pool and that the caller closes. It is no sign of a server's health: it counts for
    /// nobody.
    pub(super) async fn temporary(
        &self,
        recipe: &Arc<Recipe>,
        options: &CallOptions,
    ) -> Result<Connection> {
        // What it finds out is to be true of the server now, and it ends at once: nobody hears what happens to it.
        let recipe = &Arc::new(Recipe {
            shared: None,
            epoch: None,
            observer: None,
            ..recipe.as_ref().clone()
        });
        let known = (self.0.known)
            .get(&recipe.config.endpoint())
            .unwrap_or_default();
        let breaker = Breakers::default().of(&(), &recipe.settings.breaker);
        let failure = LastFailure::default();
        let connecting = async {
            match connect_authorized(recipe, &known, &breaker, &failure, &options.cancel).await {
                // A server may let anybody do the handshake it knows, and refuse every method that it does not.
                Err(error)
                    if recipe.tokens.is_none()
                        && known.generation.is_none()
                        && error.wants_authorization() =>
                {
                    let known = Known {
                        generation: Some(Generation::Initialize),
                        ..known
                    };
                    connect_authorized(recipe, &known, &breaker, &failure, &options.cancel).await
                }
                outcome => outcome,
            }
        };
        let connecting = tokio::time::timeout_at(options.deadline, connecting);
        let outcome = until_closed(self.closing(), connecting).await?;
        outcome.unwrap_or_else(|_| Err(failure.out_of_time()))
    }
}
