//! The turns of one server.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};
use crate::governance::turns::{Applicant, Turn, Turns};
use crate::server_config::{CallLimits, Rate};
use crate::telemetry::Queued;

pub const HOUR: Duration = Duration::from_hours(1);

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn places(concurrency: u32, queue: u32) -> CallLimits {
    CallLimits {
        concurrency: Some(concurrency),
        queue: Some(queue),
        ..CallLimits::default()
    }
}

pub const fn rate(calls: u32, per: Duration) -> Rate {
    Rate { calls, per }
}

/// The turns of one server, and how its calls came to theirs.
pub struct World {
    turns: Arc<Turns>,
    pub limits: CallLimits,
    pub closing: CancellationToken,
    pub started: Instant,
    /// Users, and when their calls began, in this order.
    pub log: Mutex<Vec<(String, u128)>>,
}

impl World {
    pub fn new(limits: CallLimits) -> Arc<Self> {
        let closing = CancellationToken::new();
        Arc::new(Self {
            turns: Turns::new(closing.clone()),
            limits,
            closing,
            started: Instant::now(),
            log: Mutex::default(),
        })
    }

    /// The same server under other limits.
    pub fn under(&self, limits: CallLimits) -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::clone(&self.turns),
            limits,
            closing: self.closing.clone(),
            started: self.started,
            log: Mutex::default(),
        })
    }

    pub fn enter(
        self: &Arc<Self>,
        user: &str,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> BoxFuture<'static, Result<Turn>> {
        self.apply(user, patience, cancel, 1.0, false)
    }

    pub fn apply(
        self: &Arc<Self>,
        user: &str,
        patience: Duration,
        cancel: &CancellationToken,
        weight: f64,
        is_counted: bool,
    ) -> BoxFuture<'static, Result<Turn>> {
        let (world, user, cancel) = (Arc::clone(self), user.to_owned(), cancel.clone());
        let due = Instant::now() + patience;
        async move {
            let applicant = Applicant {
                server: "srv",
                user_id: Some(&user),
                limits: &world.limits,
                due,
                weight,
                is_counted,
                cancel: &cancel,
            };
            world.turns.enter(&applicant).await
        }
        .boxed()
    }

    /// A call that lines up now; `Ok` with how long it has waited.
    pub fn call(self: &Arc<Self>, user: &str, takes: Duration) -> JoinHandle<Result<Duration>> {
        self.weighted(user, takes, 1.0)
    }

    pub fn weighted(
        self: &Arc<Self>,
        user: &str,
        takes: Duration,
        weight: f64,
    ) -> JoinHandle<Result<Duration>> {
        let (world, user) = (Arc::clone(self), user.to_owned());
        let mut entering = self.apply(&user, HOUR, &CancellationToken::new(), weight, false);
        // It is in the queue before the next call is made.
        let entered = (&mut entering).now_or_never();
        tokio::spawn(async move {
            let turn = match entered {
                Some(turn) => turn?,
                None => entering.await?,
            };
            let at = world.started.elapsed().as_millis();
            world.log.lock().push((user, at));
            sleep(takes).await;
            Ok(turn.waited())
        })
    }

    pub fn order(&self) -> String {
        let log = self.log.lock();
        log.iter().map(|(user, _)| user.as_str()).collect()
    }

    pub fn queued(&self) -> Queued {
        let mut all = Queued::default();
        self.turns.each(|name, queued| {
            assert_eq!(name, "srv");
            all.add(queued);
        });
        all
    }

    pub fn is_forgotten(&self) -> bool {
        self.turns.queues.lock().is_empty()
    }
}

pub fn never() -> CancellationToken {
    CancellationToken::new()
}

/// The error of a call that is refused at once.
pub async fn refusal(entering: BoxFuture<'static, Result<Turn>>) -> Error {
    let error = entering.await.map(drop).unwrap_err();
    assert_eq!(error.code, Code::RateLimited, "{error}");
    assert!(error.retryable);
    error
}
