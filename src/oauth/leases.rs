//! `LibreChat`'s leases on one user's tokens for one server. Of all processes one at a time refreshes (the flight), and
//! one at a time writes (the fence), none of them across a teardown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::pause::PAUSE;
use crate::cancel::until_closed;
use crate::error::{Code, Error, Result};
use crate::host::{FlowStore, LeaseOptions, LockGuard};
use crate::log::Logger;
use crate::server_config::Coordination;

/// How long the right to refresh lasts if its process dies: twice what a refresh may take, since an answer that nobody
/// waits for any more may still have used the refresh token up.
const FLIGHT: Duration = Duration::from_mins(2);
/// Between two tries to get it.
pub const FLIGHT_POLL: Duration = Duration::from_millis(250);
/// A host answers sooner than this where the generation is another one, and after its wait where somebody writes.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What a refresh brought is lost when it is not stored, so this many waits, or faults of the host, are worth it.
pub const ADMISSIONS: u32 = 3;

/// `LibreChat`'s text for a fence that another process keeps.
pub const FENCE_UNAVAILABLE: &str = "OAuth persistence fence unavailable";

/// Those of one user and server.
#[derive(Clone)]
pub struct Leases {
    flows: Arc<dyn FlowStore>,
    flight_id: String,
    fence_id: String,
    server_name: String,
    prefix: String,
    logger: Logger,
    coordination: Coordination,
    closing: CancellationToken,
}

/// Whose tokens.
pub struct Holder<'a> {
    pub tenant_id: Option<&'a str>,
    pub user_id: &'a str,
    pub server_name: &'a str,
    /// What lines of the log begin with.
    pub prefix: &'a str,
}

impl Leases {
    #[must_use]
    pub fn new(
        flows: Arc<dyn FlowStore>,
        holder: &Holder<'_>,
        coordination: Coordination,
        logger: Logger,
    ) -> Self {
        let tenant_id = holder.tenant_id.unwrap_or_default();
        let (user_id, server_name) = (holder.user_id, holder.server_name);
        Self {
            flows,
            flight_id: json!(["refresh", tenant_id, user_id, server_name]).to_string(),
            fence_id: json!([tenant_id, user_id, server_name]).to_string(),
            server_name: server_name.to_owned(),
            prefix: holder.prefix.to_owned(),
            logger,
            coordination,
            closing: CancellationToken::new(),
        }
    }

    /// Those of a runtime, which does not wait for other processes when it closes.
    #[must_use]
    pub fn ending_with(self, closing: CancellationToken) -> Self {
        Self { closing, ..self }
    }

    /// Whether refreshes are made in a flight.
    #[must_use]
    pub fn coordinate(&self) -> bool {
        self.coordination.is_on
    }

    /// How long to wait for another process that refreshes.
    #[must_use]
    pub fn refresh_wait(&self) -> Duration {
        self.coordination.refresh_wait()
    }

    /// The life of the tokens that a write is for; `None` while they are being torn down.
    pub async fn generation(&self) -> Result<Option<i64>> {
        self.flows.lease_generation(&self.fence_id).await
    }

    /// Tries once for the right to refresh; `None` where another process has it.
    pub async fn flight(&self) -> Result<Option<Box<dyn LockGuard>>> {
        let options = LeaseOptions {
            lasts: Some(FLIGHT),
            wait: Some(Duration::ZERO),
            ..LeaseOptions::default()
        };
        self.flows.acquire_lease(&self.flight_id, options).await
    }

    /// The right to write what was asked for in this generation; `None` where it is over. Fails with what the last of so
    /// many tries failed with.
    pub async fn admit(&self, generation: i64, tries: u32) -> Result<Option<Box<dyn LockGuard>>> {
        let options = LeaseOptions {
            expected_generation: Some(generation),
            ..LeaseOptions::default()
        };
        for attempt in 1..=tries {
            let asked = Instant::now();
            match self.flows.acquire_lease(&self.fence_id, options).await {
                Ok(None) if asked.elapsed() >= AT_ONCE => {}
                Ok(admitted) => return Ok(admitted),
                Err(error)
                    if attempt == tries || matches!(error.code, Code::Closed | Code::Aborted) =>
                {
                    return Err(error);
                }
                Err(error) => {
                    self.logger.warn(format!(
                        "{} Failed to acquire the OAuth persistence fence, trying again: {error}",
                        self.prefix
                    ));
                    tokio::time::sleep(PAUSE * attempt).await;
                }
            }
        }
        Err(self.storage_unavailable(FENCE_UNAVAILABLE))
    }

    /// Waits for a lease until the runtime closes. Only for work that loses nothing when it is not done.
    pub async fn until_closing<T>(&self, wait: impl Future<Output = Result<T>>) -> Result<T> {
        until_closed(&self.closing, wait).await?
    }

    /// Does what only one process at a time may do with the rows, unless the runtime closes before.
    ///
    /// Fails with [`Code::TokenStorageUnavailable`] and this reason where another process keeps the fence.
    pub async fn fenced<T>(
        &self,
        unavailable: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let options = LeaseOptions {
            wait: Some(self.coordination.persistence_wait()),
            ..LeaseOptions::default()
        };
        let acquired = self.flows.acquire_lease(&self.fence_id, options);
        let Some(held) = self.until_closing(acquired).await? else {
            return Err(self.storage_unavailable(unavailable));
        };
        let outcome = work.await;
        self.release(held).await;
        outcome
    }

    /// The same for what was begun in this generation.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] where a teardown has ended it.
    pub async fn fenced_in<T>(
        &self,
        generation: i64,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let options = LeaseOptions {
            expected_generation: Some(generation),
            wait: Some(self.coordination.persistence_wait()),
            ..LeaseOptions::default()
        };
        let Some(held) = self.flows.acquire_lease(&self.fence_id, options).await? else {
            // The host does not say which of both it is.
            return Err(if self.generation().await? == Some(generation) {
                self.storage_unavailable(FENCE_UNAVAILABLE)
            } else {
                let problem = "OAuth flow superseded by teardown";
                Error::new(Code::OAuthFlowFailed, problem)
            });
        };
        let outcome = work.await;
        self.release(held).await;
        outcome
    }

    /// What was done is done; a lease that cannot be released ends with its time.
    pub async fn release(&self, held: Box<dyn LockGuard>) {
        if let Err(error) = held.release().await {
            self.logger.warn(format!(
                "{} Failed to release the OAuth refresh flight: {error}",
                self.prefix
            ));
        }
    }

    #[must_use]
    pub fn another_refreshes(&self) -> Error {
        let wait = self.refresh_wait().as_millis();
        let cause = Error::timeout(format!(
            "Another replica held the OAuth refresh flight for longer than {wait}ms"
        ));
        self.refresh_unavailable(cause)
    }

    /// `MCPTokenRefreshUnavailableError`, unless the error says already what is to be done.
    #[must_use]
    pub fn refresh_unavailable(&self, cause: Error) -> Error {
        if matches!(
            cause.code,
            Code::Aborted
                | Code::Closed
                | Code::ReauthenticationRequired
                | Code::TokenRefreshUnavailable
                | Code::TokenStorageUnavailable
        ) {
            return cause;
        }
        refresh_unavailable(&self.server_name, cause)
    }

    #[must_use]
    pub fn storage_unavailable(&self, problem: &str) -> Error {
        storage_unavailable(&self.server_name, Error::timeout(problem))
    }
}

/// `MCPTokenStorageUnavailableError`
#[must_use]
pub fn storage_unavailable(server_name: &str, cause: Error) -> Error {
    unavailable(Code::TokenStorageUnavailable, server_name, cause)
}

/// A refresh that nobody can tell whether it may begin.
pub fn refresh_unavailable(server_name: &str, cause: Error) -> Error {
    unavailable(Code::TokenRefreshUnavailable, server_name, cause)
}

fn unavailable(code: Code, server_name: &str, cause: Error) -> Error {
    Error::new(code, unavailable_text(code, server_name)).caused_by(cause)
}

/// `LibreChat`'s texts of the two errors, which `lib/errors.js` has as well.
fn unavailable_text(code: Code, server_name: &str) -> String {
    let what = if code == Code::TokenRefreshUnavailable {
        "refresh is temporarily"
    } else {
        "storage is"
    };
    format!("OAuth token {what} unavailable for \"{server_name}\"")
}

/// Whether an authorization server has said that this grant is of no more use, so that only the user can help.
#[must_use]
pub fn is_final_refusal(error: &Error) -> bool {
    const FINAL: [&str; 7] = [
        "access_denied",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let message = error.message.to_ascii_lowercase();
    let mut words = message.split(|character| !is_word(character));
    words.any(|word| FINAL.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_librechats() {
        let leases = |tenant_id| {
            let holder = Holder {
                tenant_id,
                user_id: "u\"1",
                server_name: "s",
                prefix: "",
            };
            let flows = Arc::new(crate::embedded::MemoryFlows::default());
            Leases::new(flows, &holder, Coordination::default(), Logger::silent())
        };
        assert_eq!(leases(None).fence_id, r#"["","u\"1","s"]"#);
        assert_eq!(leases(Some("t")).fence_id, r#"["t","u\"1","s"]"#);
        assert_eq!(leases(Some("t")).flight_id, r#"["refresh","t","u\"1","s"]"#);
        let error = leases(None).another_refreshes();
        assert_eq!(
            error.message,
            r#"OAuth token refresh is temporarily unavailable for "s""#
        );
        assert!(error.retryable);
        let error = storage_unavailable("s", Error::internal());
        assert_eq!(
            error.message,
            r#"OAuth token storage is unavailable for "s""#
        );
    }

    #[test]
    fn what_no_other_try_can_help_with() {
        let is_final = |message| is_final_refusal(&Error::new(Code::OAuthRefreshFailed, message));
        assert!(is_final(
            "Token refresh failed: 400 {\"error\":\"invalid_grant\"}"
        ));
        assert!(is_final("UNSUPPORTED_GRANT_TYPE"));
        assert!(!is_final("no_invalid_grants here"));
        assert!(!is_final("503 Service Unavailable"));
    }
}
