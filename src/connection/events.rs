//! What happens to a connection while nobody asks it anything.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// An attempt begins.
    Connecting,
    Connected,
    /// An attempt, or the last of several, came to nothing.
    Failed,
    /// The transport ended, and not because we closed it.
    Lost,
    /// We ended the connection.
    Closed,
    ToolsChanged,
    ResourcesChanged,
    PromptsChanged,
    /// The server holds on to the lost GET stream of the session, and refuses another: only a new session gets one.
    Conflicted,
}

/// Whoever owns the connection.
pub trait Observer: Send + Sync {
    fn notice(&self, event: Event);
}

/// Tells the owner of an established connection that its transport ended.
#[derive(Clone, Default)]
pub(super) struct LossWatch {
    observer: Option<Arc<dyn Observer>>,
    established: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
}

impl LossWatch {
    pub fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            observer,
            established: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// From now on the end of the transport is a loss; before, it is the failure of a handshake.
    pub fn arm(&self) {
        self.established.store(true, Ordering::Release);
    }

    /// The end is wanted.
    pub fn disarm(&self) {
        self.established.store(false, Ordering::Release);
    }

    /// Whether the transport ended, and not because we closed it.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn ended(&self) {
        if !self.established.swap(false, Ordering::AcqRel) {
            return;
        }
        // rmcp closes its side some time later, and whoever hears of the loss looks at once.
        self.lost.store(true, Ordering::Release);
        if let Some(observer) = &self.observer {
            observer.notice(Event::Lost);
        }
    }
}

/// A transport that tells when it ends.
pub(super) struct Watched<T> {
    inner: T,
    watch: LossWatch,
}

impl<T> Watched<T> {
    pub const fn new(inner: T, watch: LossWatch) -> Self {
        Self { inner, watch }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Watched<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let message = self.inner.receive().await;
        if message.is_none() {
            self.watch.ended();
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.watch.disarm();
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    /// Writes down whether the watch said that the transport is lost when it was told.
    #[derive(Default)]
    struct Looks {
        watch: OnceLock<LossWatch>,
        found_lost: AtomicBool,
    }

    impl Observer for Looks {
        fn notice(&self, event: Event) {
            assert_eq!(event, Event::Lost);
            let is_lost = self.watch.get().is_some_and(LossWatch::is_lost);
            self.found_lost.store(is_lost, Ordering::Release);
        }
    }

    #[test]
    fn who_hears_of_a_loss_finds_it() {
        let looks = Arc::new(Looks::default());
        let watch = LossWatch::new(Some(looks.clone()));
        assert!(looks.watch.set(watch.clone()).is_ok());
        watch.arm();
        watch.ended();
        assert!(looks.found_lost.load(Ordering::Acquire));
    }

    #[test]
    fn an_end_that_is_wanted_or_comes_during_the_handshake_is_no_loss() {
        let watch = LossWatch::default();
        watch.ended();
        watch.arm();
        watch.disarm();
        watch.ended();
        assert!(!watch.is_lost());
    }
}
