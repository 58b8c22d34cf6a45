//! Another session in place of one that the server has forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};

use super::engine::{Agreed, Engine};
use super::failures::{gone, is_superseded, unanswered};
use super::generation::Generation;
use super::options::CallOptions;
use crate::background;
use crate::error::{Error, Result};
use crate::transport::{Lane, Loss};

impl Engine {
    /// The session to use now; a forgotten one is made anew first.
    pub async fn current(&self, options: &CallOptions) -> Result<Arc<Agreed>> {
        if self.is_closed() {
            return Err(gone());
        }
        let agreed = self.agreed.lock().clone().ok_or_else(gone)?;
        if agreed.is_forgotten.load(Ordering::Acquire) {
            return Box::pin(options.bound_by(self.renewed(&agreed, Loss::Certain), unanswered))
                .await;
        }
        Ok(agreed)
    }

    /// Another handshake in place of one that the server has forgotten, unless somebody else was faster. It goes on for the
    /// others when one caller has gone.
    pub async fn renewed(&self, forgotten: &Arc<Agreed>, loss: Loss) -> Result<Arc<Agreed>> {
        let engine = self.handle().ok_or_else(gone)?;
        let forgotten = Arc::clone(forgotten);
        let renewing =
            background::spawn(async move { Box::pin(engine.renew(&forgotten, loss)).await });
        renewing.await.unwrap_or_else(|_| Err(Error::internal()))
    }

    async fn renew(&self, forgotten: &Arc<Agreed>, loss: Loss) -> Result<Arc<Agreed>> {
        // A wire that says so itself is ready for another session.
        let is_news = !forgotten.is_forgotten.swap(true, Ordering::AcqRel);
        let _one_at_a_time = self.renewing.lock().await;
        if self.is_closed() {
            return Err(gone());
        }
        let agreed = self.agreed.lock().clone().ok_or_else(gone)?;
        if !Arc::ptr_eq(&agreed, forgotten) {
            return Ok(agreed);
        }
        let deadline = Instant::now() + self.init_timeout;
        let known = Some(Generation::Initialize);
        let shaking = Box::pin(async {
            if let (Some(Lane::Duplex(wire)), true) = (self.lane(), is_news) {
                wire.reset().await?;
            }
            self.open(Some(forgotten), known, deadline).await
        });
        let shaken = tokio::select! {
            biased;
            () = self.life.cancelled() => Err(gone()),
            shaken = timeout_at(deadline, shaking) => shaken.unwrap_or_else(|_| Err(unanswered())),
        };
        if let Err(error) = shaken {
            // Only somebody with another token, or a new connection, can help.
            if !error.wants_authorization() && !is_superseded(&error) {
                self.end();
            }
            return Err(error);
        }
        if let (Some(Lane::Direct(http)), Loss::Perhaps) = (self.lane(), loss) {
            // The server may keep what it refuses.
            let (http, session) = (Arc::clone(http), Arc::clone(&forgotten.http));
            background::spawn(async move { http.end(&session).await });
        }
        self.agreed.lock().clone().ok_or_else(gone)
    }
}
