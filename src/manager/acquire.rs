//! Getting a connection: the pooled one, a share in an attempt, or a new one.

use std::sync::{Arc, OnceLock};

use super::connecting::{Admission, Ticket};
use super::key::{Key, Owner};
use super::lease::Lease;
use super::scope::{CallScope, ServerScope, check_request_headers};
use super::state::Manager;
use crate::connection::{CallOptions, Connection, Parting, Recipe};
use crate::error::{Error, Result};
use crate::log::{Logger, log_prefix};
use crate::secret::Secret;
use crate::server_config::{Fingerprint, TransportKind};

/// A request for a connection.
pub struct Acquire<'a> {
    pub key: Key,
    fingerprint: Fingerprint,
    /// When the config was last changed, in milliseconds since the epoch.
    pub updated_at: Option<i64>,
    /// Makes a user's connection anew and replaces the one there; shared connections ignore it.
    pub force_new: bool,
    pub options: CallOptions,
    logger: Logger,
    source: Source<'a>,
}

/// What a connection is made from, where there is none.
enum Source<'a> {
    Recipe(Arc<Recipe>),
    Call {
        call: &'a CallScope<'a>,
        server: &'a ServerScope,
        graph: Option<&'a Secret>,
        made: OnceLock<Arc<Recipe>>,
    },
}

impl Acquire<'_> {
    #[must_use]
    pub fn new(key: Key, recipe: Arc<Recipe>, options: CallOptions) -> Self {
        Self {
            key,
            fingerprint: recipe.fingerprint,
            updated_at: None,
            force_new: false,
            options,
            logger: recipe.logger.clone(),
            source: Source::Recipe(recipe),
        }
    }

    /// Leaves it at one attempt where the connection has to be made.
    pub fn try_once(&mut self) {
        if let Source::Recipe(recipe) = &mut self.source {
            Arc::make_mut(recipe).retries = false;
        }
    }

    /// Has the connection send this token of the call, where it would send any if it were made now.
    pub fn go_on_with(&self, manager: &Manager, token: Option<&Secret>) -> Result<()> {
        if token.is_some() {
            self.recipe(manager)?.go_on_with(token);
        }
        Ok(())
    }

    /// The token that the call has brought.
    fn token(&self) -> Option<Secret> {
        match &self.source {
            Source::Recipe(recipe) => recipe.bearer.get(),
            Source::Call { made, .. } => made.get()?.bearer.get(),
        }
    }

    /// What the connection is made from. A call that finds a connection does without.
    pub fn recipe(&self, manager: &Manager) -> Result<Arc<Recipe>> {
        let (call, server, graph, made) = match &self.source {
            Source::Recipe(recipe) => return Ok(Arc::clone(recipe)),
            Source::Call {
                call,
                server,
                graph,
                made,
            } => (call, server, graph, made),
        };
        if let Some(recipe) = made.get() {
            return Ok(Arc::clone(recipe));
        }
        let recipe = manager.recipe(call, server, *graph)?;
        Ok(Arc::clone(made.get_or_init(|| Arc::new(recipe))))
    }

    /// Whether the connection is one that this request would make.
    fn fits(&self, connection: &Connection) -> bool {
        let is_stale = |updated_at| connection.is_stale(updated_at);
        connection.recipe.fingerprint == self.fingerprint && !self.updated_at.is_some_and(is_stale)
    }

    fn log_prefix(&self) -> String {
        log_prefix(self.key.owner.user_id(), &self.key.server_name)
    }
}

impl Manager {
    /// A request of a call for a connection that is probably there: what it would be made from is not put together and
    /// checked until then, but at once where there is none from the same. Tells the transport, too.
    pub fn request<'a>(
        &self,
        call: &'a CallScope<'a>,
        server: &'a ServerScope,
        graph: Option<&'a Secret>,
        options: CallOptions,
    ) -> Result<(Acquire<'a>, TransportKind)> {
        let request = Acquire {
            key: server.key.clone(),
            fingerprint: call.fingerprint(server)?,
            updated_at: server.config.updated_at,
            force_new: false,
            options,
            logger: call.host.logger.clone(),
            source: Source::Call {
                call,
                server,
                graph,
                made: OnceLock::new(),
            },
        };
        let kind = match self.kind_at(&request) {
            Some(kind) => kind,
            None => request.recipe(self)?.config.transport.kind(),
        };
        check_request_headers(&server.config, kind)?;
        Ok((request, kind))
    }

    /// The transport of the connection that a request would find, or join in making.
    fn kind_at(&self, request: &Acquire<'_>) -> Option<TransportKind> {
        let pool = self.0.pool.lock();
        if let Some(slot) = pool.slots.get(&request.key) {
            let connection = &slot.connection;
            return request
                .fits(connection)
                .then(|| connection.recipe.config.transport.kind());
        }
        let attempt = pool.attempts.get(&request.key)?;
        (attempt.fingerprint == request.fingerprint).then_some(attempt.kind)
    }

    pub async fn acquire(&self, request: &Acquire<'_>) -> Result<Lease> {
        let lease = self.find_or_connect(request).await?;
        self.renew_generations(&lease);
        self.publish_first_list(&lease);
        Ok(lease)
    }

    async fn find_or_connect(&self, request: &Acquire<'_>) -> Result<Lease> {
        if request.force_new && request.key.owner != Owner::App {
            return self.acquire_anew(request).await;
        }
        if let Some(lease) = self.pooled(&request.key) {
            // The connection goes on with the newest call's token, its next sign of life included. One that leads elsewhere
            // ends without it.
            if let (Some(token), true) = (request.token(), request.fits(lease.connection())) {
                lease.connection().recipe.bearer.set(token);
            }
            if self.is_usable(&lease, request).await? {
                let line = || format!("{} Reusing active connection", request.log_prefix());
                request.logger.debug_with(line);
                return Ok(lease);
            }
            let is_aborted = request.options.cancel.is_cancelled();
            // Whoever was not waited for may be well, and so may a session of the login before.
            let parting = if is_aborted || lease.connection().is_superseded() {
                Parting::Left
            } else {
                Parting::Over
            };
            self.discard(lease.slot(), parting);
        }
        if request.options.cancel.is_cancelled() {
            return Err(Error::aborted());
        }
        match self.join_or_start(request)? {
            Found::Pooled(lease) => Ok(lease),
            Found::Attempt(ticket) => {
                ticket
                    .wait(request.options.deadline, &request.options.cancel)
                    .await
            }
        }
    }

    pub(super) fn pooled(&self, key: &Key) -> Option<Lease> {
        let mut pool = self.0.pool.lock();
        pool.touch(&key.owner);
        pool.slots.get(key).map(|slot| self.lease(slot))
    }

    async fn is_usable(&self, lease: &Lease, request: &Acquire<'_>) -> Result<bool> {
        let connection = lease.connection();
        if !request.fits(connection) {
            request.logger.info(format!(
                "{} Config was updated, disconnecting stale connection",
                request.log_prefix()
            ));
            return Ok(false);
        }
        if !self.is_current(lease, request).await? {
            return Ok(false);
        }
        if !connection.is_of_its_login(&request.options).await {
            let prefix = request.log_prefix();
            let logger = &request.logger;
            logger.info(format!(
                "{prefix} The user has signed in anew, leaving the session of the login before"
            ));
            return Ok(false);
        }
        if connection.is_connected(&request.options).await {
            return Ok(true);
        }
        let prefix = request.log_prefix();
        request.logger.warn(format!(
            "{prefix} Found existing but disconnected connection object. Cleaning up."
        ));
        let (recipe, cancel) = (request.recipe(self)?, &request.options.cancel);
        let breaker = self.breaker(&request.key, &recipe, cancel).await;
        breaker.cycled(&prefix, &request.logger).await;
        Ok(false)
    }

    fn join_or_start(&self, request: &Acquire<'_>) -> Result<Found> {
        let recipe = request.recipe(self)?;
        let mut pool = self.0.pool.lock();
        if self.0.closing.is_cancelled() {
            return Err(Error::closed());
        }
        // Another call may have been faster.
        if let Some(slot) = pool.slots.get(&request.key)
            && slot.connection.recipe.fingerprint == request.fingerprint
        {
            return Ok(Found::Pooled(self.lease(slot)));
        }
        if let Some(attempt) = pool.attempts.get(&request.key)
            && attempt.fingerprint == request.fingerprint
        {
            let prefix = request.log_prefix();
            request
                .logger
                .debug(format!("{prefix} Joining in-flight connection attempt"));
            return Ok(Found::Attempt(attempt.join(self)));
        }
        Ok(Found::Attempt(self.begin(&mut pool, &request.key, recipe)))
    }

    /// `forceNew`: one at a time per connection.
    async fn acquire_anew(&self, request: &Acquire<'_>) -> Result<Lease> {
        let recipe = request.recipe(self)?;
        let (key, options) = (&request.key, &request.options);
        let locking = tokio::time::timeout_at(options.deadline, self.0.replacing.lock(key));
        let late = |_| Error::timeout("Other calls with forceNew took all the time");
        let locked = self.until_cancelled(&options.cancel, locking).await?;
        let _replacing = locked.map_err(late)?;
        self.clear_cooldown(key, recipe.limits.as_ref(), &request.logger);
        if let Some(shared) = &recipe.shared {
            let invalidating = shared.invalidate();
            self.until_cancelled(&options.cancel, invalidating).await?;
        }
        let (_, ticket) = self.attempt(key.clone(), recipe, Admission::Replacing);
        ticket.wait(options.deadline, &options.cancel).await
    }
}

enum Found {
    Pooled(Lease),
    Attempt(Ticket),
}
