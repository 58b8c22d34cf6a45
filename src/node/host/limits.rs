//! `limits`: what processes of the host count together.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::SharedLimits;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, Service};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::whole;
use crate::node::marshal::from_js::wrong_answer;
use crate::server_config::Rate;
use crate::settings::duration;

/// The member of the host's services.
pub const LIMITS: &str = "limits";
const SERVICE: Service = Service::Host(LIMITS);

const COUNT: Callback<(String, Duration), u32> =
    Callback::reading("limits.count", STORE_TIMEOUT, |_, it| {
        let count = whole(it).and_then(|count| u32::try_from(count).ok());
        // The event that was counted is one.
        let count = count.filter(|count| *count > 0);
        count.ok_or_else(|| wrong_answer(it, "limits.count", "a number of events"))
    });
const BLOCK: Callback<(String, Duration), ()> = Callback::new("limits.block", STORE_TIMEOUT);
const BLOCKED_FOR: Callback<(String,), Duration> =
    Callback::reading("limits.blockedFor", STORE_TIMEOUT, |_, it| {
        let left = it.as_number().and_then(duration);
        left.ok_or_else(|| wrong_answer(it, "limits.blockedFor", "a number of milliseconds"))
    });
const CLEAR: Callback<(String,), ()> = Callback::new("limits.clear", STORE_TIMEOUT);
/// Asks the service itself.
const HAS_TURNS: Callback<(), bool> = Callback::reading(LIMITS, STORE_TIMEOUT, |_, it| {
    for function in ["take", "enter", "leave"] {
        if !it.get(function)?.is_function() {
            return Ok(false);
        }
    }
    Ok(true)
});
const TAKE: Callback<(String, i64, Duration), Duration> =
    Callback::reading("limits.take", STORE_TIMEOUT, |_, it| {
        let wait = it.as_number().and_then(duration);
        wait.ok_or_else(|| wrong_answer(it, "limits.take", "a number of milliseconds"))
    });
const ENTER: Callback<(String, String, i64, Duration), bool> =
    Callback::reading("limits.enter", STORE_TIMEOUT, |_, it| {
        let has_place = it.as_bool();
        has_place.ok_or_else(|| wrong_answer(it, "limits.enter", "true or false"))
    });
const LEAVE: Callback<(String, String), ()> = Callback::new("limits.leave", STORE_TIMEOUT);

/// `limits`, in the context of a call.
pub struct NodeLimits(pub Arc<CallContext>);

#[async_trait]
impl SharedLimits for NodeLimits {
    async fn count(&self, key: &str, window: Duration) -> Result<u32> {
        let arguments = (key.to_owned(), window);
        COUNT.call(&self.0, &SERVICE, arguments).await
    }

    async fn block(&self, key: &str, pause: Duration) -> Result<()> {
        let arguments = (key.to_owned(), pause);
        BLOCK.call(&self.0, &SERVICE, arguments).await
    }

    async fn blocked_for(&self, key: &str) -> Result<Duration> {
        let arguments = (key.to_owned(),);
        BLOCKED_FOR.call(&self.0, &SERVICE, arguments).await
    }

    async fn clear(&self, key: &str) -> Result<()> {
        CLEAR.call(&self.0, &SERVICE, (key.to_owned(),)).await
    }

    async fn has_turns(&self) -> Result<bool> {
        HAS_TURNS.call(&self.0, Callee::Itself(SERVICE), ()).await
    }

    async fn take(&self, key: &str, rate: Rate) -> Result<Option<Duration>> {
        let arguments = (key.to_owned(), rate.calls.into(), rate.per);
        let wait = TAKE.call(&self.0, &SERVICE, arguments).await?;
        Ok((!wait.is_zero()).then_some(wait))
    }

    async fn enter(&self, key: &str, holder: &str, most: u32, lease: Duration) -> Result<bool> {
        let arguments = (key.to_owned(), holder.to_owned(), most.into(), lease);
        ENTER.call(&self.0, &SERVICE, arguments).await
    }

    async fn leave(&self, key: &str, holder: &str) -> Result<()> {
        let arguments = (key.to_owned(), holder.to_owned());
        LEAVE.call(&self.0, &SERVICE, arguments).await
    }
}
