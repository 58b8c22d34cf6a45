//! Whether the server of a connection still answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::established::Connection;
use super::generation::Generation;
use super::options::CallOptions;
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::foreign_text::foreign_error;
use crate::transport::message::Params;

/// How long a server may take to show that it answers, whatever time its caller has left.
const SIGN_OF_LIFE_TIMEOUT: Duration = Duration::from_secs(5);

impl Connection {
    /// Whether the server still answers: asked at most once per `MCP_CONNECTION_CHECK_TTL`.
    pub async fn is_connected(&self, options: &CallOptions) -> bool {
        if self.is_closed() {
            return false;
        }
        let now = now_ms();
        let checked =
            Duration::from_millis((now - self.checked_at.load(Ordering::Relaxed)).unsigned_abs());
        if checked < self.recipe.settings.connection_check_ttl
            || self.generation == Generation::Discover
        {
            return true;
        }
        self.checked_at.store(now, Ordering::Relaxed);
        // Boxed: rarely asked, and large.
        match Box::pin(self.session.ping(options)).await {
            Ok(()) => !self.is_closed(),
            Err(error) => {
                let sent = self.recipe.sent_secrets(None, options.headers.as_deref());
                let error = foreign_error(error, &sent);
                self.recipe
                    .logger
                    .error(format!("{} Ping failed: {error}", self.recipe.log_prefix()));
                false
            }
        }
    }

    /// The first answer shows that a session works which another process has begun.
    pub(super) fn note_answer(&self) {
        if self.checked_at.load(Ordering::Relaxed) == 0 {
            self.checked_at.store(now_ms(), Ordering::Relaxed);
        }
    }

    /// Whether the server still answers anything, after a request has failed with `error`.
    pub async fn answers(&self, error: &Error, options: &CallOptions) -> bool {
        let options = CallOptions {
            deadline: Instant::now() + SIGN_OF_LIFE_TIMEOUT,
            ..options.clone()
        };
        let asked = async {
            match self.generation {
                Generation::Initialize => self.session.ping(&options).await,
                Generation::Discover => {
                    let discover = self
                        .session
                        .request("server/discover", Params::None, &options);
                    discover.await.map(drop)
                }
            }
        };
        match Box::pin(asked).await {
            Ok(()) => !self.is_closed(),
            // It has answered the request, in its own way.
            Err(failure) if failure.code == Code::Timeout => error.innermost().rpc_code.is_some(),
            Err(_) => false,
        }
    }
}
