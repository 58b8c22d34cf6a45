//! `limits`: what processes of the host count together.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::SharedLimits;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::whole;
use crate::node::marshal::from_js::wrong_answer;
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
}
