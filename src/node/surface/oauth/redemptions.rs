//! Refreshes of callers of `runtime.tokens` that are under way.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use crate::error::{Code, Error, Result};
use crate::node::engine::workers;
use crate::oauth::Tokens;

/// A refresh under way.
pub type Redemption = Shared<BoxFuture<'static, Result<Option<Tokens>>>>;

/// Those that are under way.
#[derive(Clone, Default)]
pub struct Redemptions(Arc<Mutex<HashMap<String, Redemption>>>);

impl Redemptions {
    pub fn under_way(&self, key: &str) -> Option<Redemption> {
        self.0.lock().get(key).cloned()
    }

    /// The one that is under way, or a new one. It goes on whoever stops waiting for it.
    pub fn join(
        &self,
        key: &str,
        work: impl Future<Output = Result<Option<Tokens>>> + Send + 'static,
    ) -> Redemption {
        let mut under_way = self.0.lock();
        if let Some(redemption) = under_way.get(key) {
            return redemption.clone();
        }
        let Some(runtime) = workers::handle() else {
            return async { Err(Error::internal()) }.boxed().shared();
        };
        let done = Done(self.clone(), key.to_owned());
        let task = runtime.spawn(async move {
            let _done = done;
            work.await
        });
        let redemption = async move {
            task.await
                .unwrap_or_else(|_| Err(Error::new(Code::Internal, "A token refresh broke off")))
        };
        let redemption = redemption.boxed().shared();
        under_way.insert(key.to_owned(), redemption.clone());
        redemption
    }
}

/// Ends the sharing of a refresh, however it ended.
struct Done(Redemptions, String);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}
