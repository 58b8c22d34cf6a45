//! When a call may be made: after those that are before it.

use std::time::Duration;

use super::watched::Subject;
use crate::connection::CallOptions;
use crate::error::Result;
use crate::governance::{Applicant, Counted, LimitedCall, SharedTurn, Turn, limited_as};
use crate::host::Host;
use crate::manager::Manager;
use crate::server_config::CallLimits;

/// What limits know of a call.
#[derive(Default)]
pub struct Limited {
    /// Of a server that is no operator's: its calls are not those of an operator's server of the same name.
    pub identity: Option<String>,
    /// Its place among the calls that the server answers; it is left when this is dropped.
    pub turn: Option<Box<(Turn, Option<SharedTurn>)>>,
    /// It has had its turn before.
    is_counted: bool,
    /// The same by what processes share.
    counted: Counted,
}

impl Limited {
    /// Waits until the call may be made, no longer than its `timeout`, which begins again with the turn. Says how long it has
    /// waited.
    pub async fn enter(
        &mut self,
        (manager, host): (&Manager, &Host),
        limits: &CallLimits,
        subject: Subject<'_>,
        weight: f64,
        options: &CallOptions,
    ) -> Result<Duration> {
        let Subject {
            server_name,
            user_id,
            ..
        } = subject;
        let server = limited_as(server_name, self.identity.as_deref());
        let applicant = Applicant {
            server: &server,
            user_id,
            limits,
            due: options.due(),
            weight,
            is_counted: self.is_counted,
            cancel: &options.cancel,
        };
        let turn = manager.0.turns.enter(&applicant).await?;
        let turn = match &host.limits {
            Some(store) => {
                let call = LimitedCall {
                    store,
                    limits,
                    user_id: user_id.unwrap_or_default(),
                    server: &server,
                    due: applicant.due,
                    cancel: applicant.cancel,
                    logger: &host.logger,
                };
                let shared = &manager.0.shared_calls;
                shared.agree(turn, &call, &mut self.counted).await?
            }
            None => (turn, None),
        };
        self.is_counted = true;
        let waited = turn.0.waited();
        if !waited.is_zero() {
            manager.metrics().waited(server_name, waited);
        }
        self.turn = Some(Box::new(turn));
        Ok(waited)
    }
}
