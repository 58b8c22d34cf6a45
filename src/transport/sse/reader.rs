//! Reading the stream, and opening it again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep, sleep_until};

use super::link::{Link, LinkState};
use super::source::{Endpoint, open, within};
use crate::error::{Code, Error, Result};
use crate::transport::events::{Events, Found, Progress};
use crate::transport::inbox::Inbox;

/// How often a lost stream is opened again before the connection counts as lost.
const MAX_RECONNECTS: u32 = 3;
/// A stream that lasted this long was worth having; the count starts anew.
const STABLE: Duration = Duration::from_secs(30);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Between two streams, whatever the server or a config asks for.
const SHORTEST_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Reader {
    pub link: Arc<Link>,
    pub inbox: Inbox,
    pub progress: Progress,
}

/// Why reading stopped.
enum Ended {
    /// Says why.
    Lost(String),
    /// Or of no more use.
    Silent,
    /// Nobody takes messages any more.
    Closed,
}

impl Reader {
    pub async fn run(mut self, source: Events) {
        let link = Arc::clone(&self.link);
        let error = tokio::select! {
            biased;
            () = link.remote.life.cancelled() => Error::closed(),
            error = self.keep(source) => error,
        };
        link.state.send_replace(LinkState::Over(error));
        self.inbox.over();
    }

    /// Reads one stream after the other; ends with the reason why there is no further one.
    async fn keep(&mut self, mut source: Events) -> Error {
        let mut attempts = 0;
        loop {
            let opened = Instant::now();
            let ended = self.read(&mut source).await;
            let rest = source.rest();
            // Not two streams at a time.
            drop(source);
            let endpoint = match self.link.state.send_replace(LinkState::Down) {
                LinkState::Up(endpoint) => endpoint,
                LinkState::Down | LinkState::Over(_) => return Error::closed(),
            };
            self.inbox.lost(rest.as_deref());
            let silent = match ended {
                Ended::Closed => return Error::closed(),
                Ended::Silent => true,
                Ended::Lost(why) => {
                    self.link
                        .remote
                        .logger
                        .debug(format!("The event stream was lost: {why}"));
                    false
                }
            };
            if silent || opened.elapsed() >= STABLE {
                attempts = 0;
            }
            source = loop {
                if attempts == MAX_RECONNECTS {
                    let message = "The event stream of the server was lost and did not come back";
                    return Error::new(Code::ConnectionLost, message);
                }
                attempts += 1;
                if !silent || attempts > 1 {
                    sleep(self.delay(attempts)).await;
                }
                sleep_until(opened + SHORTEST_DELAY).await;
                let limit = self.link.timeouts.connect;
                match within(limit, self.reopen(&endpoint)).await {
                    Ok(source) => break source,
                    Err(error) if !error.retryable || error.code == Code::RateLimited => {
                        return error;
                    }
                    Err(error) => self.link.remote.logger.debug(format!(
                        "Reconnecting {attempts}/{MAX_RECONNECTS} failed: {error}"
                    )),
                }
            };
        }
    }

    /// The server's own interval, or the specification's backoff.
    fn delay(&self, attempt: u32) -> Duration {
        let backoff = || {
            let jitter = Duration::from_millis(rand::random_range(0..1000));
            Duration::from_secs(1 << attempt.min(5)) + jitter
        };
        self.progress
            .retry
            .unwrap_or_else(backoff)
            .clamp(SHORTEST_DELAY, LONGEST_DELAY)
    }

    async fn read(&mut self, source: &mut Events) -> Ended {
        let idle = self.link.timeouts.idle;
        loop {
            let found = tokio::select! {
                biased;
                found = source.next_within(idle) => found,
                () = self.link.reset.notified() => return Ended::Silent,
            };
            match found {
                Ok(Some(Ok(found))) => self.take(found),
                Ok(Some(Err(error))) => return Ended::Lost(error.message),
                Ok(None) => return Ended::Lost("it ended".to_owned()),
                // A request that waits has a deadline of its own; its answer may still come.
                Err(_) if self.inbox.is_awaited() => {}
                Err(_) => return Ended::Silent,
            }
            if self.inbox.is_closed() {
                return Ended::Closed;
            }
            // Others get their turn between the events of a flood.
            consume_budget().await;
        }
    }

    fn take(&mut self, found: Found) {
        match found {
            Found::Event(event) => {
                self.progress.note(event.id, event.retry);
                let data = event.data.unwrap_or_default();
                match event.event.as_deref() {
                    None | Some("" | "message") => self.inbox.text(data.as_bytes()),
                    Some("endpoint") => self.move_to(&data),
                    Some(_) => {}
                }
            }
            Found::TooLarge { id, head, refusal } => {
                self.progress.note(id, None);
                self.inbox.too_large(&head, refusal);
            }
            Found::TooLargeEnd { tail } => self.inbox.too_large_end(&tail),
        }
    }

    /// A server may name another endpoint at any time, as in the TypeScript SDK.
    fn move_to(&self, reference: &str) {
        let current = self.link.state.borrow().clone();
        let LinkState::Up(endpoint) = current else {
            return;
        };
        match Endpoint::new(reference, &endpoint.stream, &self.link.remote.url) {
            Ok(endpoint) => {
                self.link
                    .state
                    .send_replace(LinkState::Up(Arc::new(endpoint)));
            }
            Err(error) => self.link.remote.logger.warn(&error.message),
        }
    }

    /// A new stream. Unless it names the endpoint that the last one named, the server knows nothing of the session.
    async fn reopen(&mut self, last: &Endpoint) -> Result<Events> {
        let link = Arc::clone(&self.link);
        let (events, endpoint) = open(&link.remote, &mut self.progress).await?;
        if endpoint.url != last.url {
            self.inbox.forgotten();
        }
        link.state.send_replace(LinkState::Up(Arc::new(endpoint)));
        Ok(events)
    }
}
