//! A connection: an established MCP session, and what it was made from.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::generation::Generation;
use super::handshake::Described;
use super::recipe::Recipe;
use super::session::Session;
use super::shared::Parting;
use super::tasks::Following;
use crate::clock::now_ms;
use crate::error::Result;
use crate::transport::stdio::Ending;

/// An established MCP session.
pub struct Connection {
    pub recipe: Arc<Recipe>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub generation: Generation,
    /// What the host published the user's tools under when the connection was made.
    pub publication_generation: Option<String>,
    pub(super) session: Session,
    pub(super) following: Following,
    /// How the server's process ends, where it is one.
    pub(super) ending: Option<Ending>,
    /// When the connection was last seen working, in milliseconds since the epoch; 0 for never.
    pub(super) checked_at: AtomicI64,
}

impl Connection {
    pub(super) fn new(
        recipe: Arc<Recipe>,
        session: Session,
        ending: Option<Ending>,
    ) -> Result<Self> {
        let now = now_ms();
        let generation = session.described()?.generation();
        if generation == Generation::Discover {
            session.engine().cache_for(&recipe);
        }
        Ok(Self {
            recipe,
            created_at: now,
            generation,
            publication_generation: None,
            checked_at: AtomicI64::new(if session.is_adopted() { 0 } else { now }),
            session,
            following: Following::default(),
            ending,
        })
    }

    /// What the server says of itself: what it can do, and the revision of MCP that both sides agreed on.
    ///
    /// # Errors
    /// [`Code::ConnectionLost`](crate::error::Code::ConnectionLost) where there never was a handshake.
    pub fn described(&self) -> Result<Arc<Described>> {
        self.session.described()
    }

    /// What the server calls the session; absent where it keeps none.
    #[must_use]
    pub fn session_id(&self) -> Option<String> {
        self.session.id()
    }

    /// Listens to changes of lists, where the server tells them on a stream of their own (MCP 2026-07-28) and somebody
    /// wants to know by now.
    pub fn hear_lists(&self) {
        self.session.engine().listen_to_changes();
    }

    /// Nothing that was listed before now is good enough: lists are asked for again, whatever the server said of how long
    /// they are valid.
    pub fn expire_lists(&self) {
        self.session.engine().expire_lists();
    }

    /// How often the server has said that its tools changed.
    #[must_use]
    pub fn tools_changes(&self) -> u64 {
        self.session.tools_changes()
    }

    /// Whether the transport is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Whether the tokens of now may be of another login than the session.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.session.is_superseded()
    }

    /// Whether the config changed after it was read for this connection. `updated_at` in milliseconds since the epoch.
    #[must_use]
    pub fn is_stale(&self, updated_at: i64) -> bool {
        self.recipe.made_at < updated_at
    }

    /// How often the use of the session is to be noted, where processes share it.
    #[must_use]
    pub fn note_interval(&self) -> Option<Duration> {
        let shared = self.recipe.shared.as_ref()?;
        Some(shared.note_interval())
    }

    /// Notes that the session is used; `false` where it is no longer the one that processes share.
    pub async fn note_use(&self) -> bool {
        self.session.note_use().await
    }

    /// Ends the session: `DELETE` over HTTP, end of the process group over stdio. Bounded by the transport.
    pub async fn close(&self) {
        self.part(Parting::Over).await;
    }

    /// The same, unless other processes may go on with the session.
    pub async fn part(&self, parting: Parting) {
        if !self.is_closed() {
            self.following.end().await;
        }
        self.session.close(parting).await;
    }
}
