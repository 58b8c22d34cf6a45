//! Where a runtime tells what it does.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::outlets::Outlets;
use super::queue::{Queue, State};
use super::record::Who;
use super::source::{Party, Source};
use crate::error::{Code, Error, Result};
use crate::foreign_text::SentSecrets;

/// How long what waits may hold up the end of a runtime, and that of the process.
const LAST_LINES: Duration = Duration::from_secs(2);
const LAST_MOMENT: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(2);

/// Off, it holds nothing. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Queue>>);

impl Tracer {
    /// Starts the thread that serves the outlets. Fails with [`Code::Internal`] where the system gives none.
    pub fn to(outlets: Outlets) -> Result<Self> {
        let (records, received) = channel();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        thread::Builder::new()
            .name("mcp-trace".to_owned())
            .spawn(move || outlets.serve(&received, &shared))
            .map_err(|error| {
                Error::new(Code::Internal, format!("No thread for the trace: {error}"))
            })?;
        Ok(Self(Some(Arc::new(Queue { records, state }))))
    }

    /// What is told of a server and a user, either of which may be unknown. `secrets` are those of its configuration.
    #[must_use]
    pub fn source(
        &self,
        server: Option<&str>,
        user: Option<&str>,
        secrets: impl FnOnce() -> SentSecrets,
    ) -> Source {
        Source(self.0.as_ref().map(|queue| {
            let who = Who {
                server: server.map(str::to_owned),
                user: user.map(str::to_owned),
                secrets: secrets(),
            };
            Arc::new(Party::new(Arc::clone(queue), Arc::new(who), ("", 0)))
        }))
    }

    /// Waits until all that was told is written, within a bound.
    pub async fn flush(&self) {
        let Some(queue) = &self.0 else { return };
        let until = Instant::now() + LAST_LINES;
        while !queue.state.is_idle() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same without a runtime, for a moment at most: the process is about to end.
    pub fn finish(&self) {
        let Some(queue) = &self.0 else { return };
        let until = Instant::now() + LAST_MOMENT;
        while !queue.state.is_idle() && Instant::now() < until {
            thread::sleep(LOOK);
        }
    }
}
