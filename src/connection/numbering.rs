//! Ids of requests, counted over the life of a session, and not of rmcp's service, which may be made again: the protocol
//! wants ids that the session has not seen.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// What one service has sent.
pub(super) struct Numbers {
    /// What is added to the service's own ids.
    base: i64,
    /// The highest id that the server has seen.
    highest: AtomicI64,
}

impl Numbers {
    pub fn from(base: i64) -> Arc<Self> {
        Arc::new(Self {
            base,
            highest: AtomicI64::new(base),
        })
    }

    /// The first id that is free.
    pub fn next(&self) -> i64 {
        self.highest.load(Ordering::Acquire) + 1
    }
}

/// A transport on which ids are counted on.
pub(super) struct Numbered<T> {
    inner: T,
    numbers: Arc<Numbers>,
}

impl<T> Numbered<T> {
    pub const fn new(inner: T, numbers: Arc<Numbers>) -> Self {
        Self { inner, numbers }
    }
}

/// Some servers send numbers back as strings.
fn shift(id: &mut RequestId, by: i64) {
    let number = match id {
        RequestId::Number(number) => Some(*number),
        RequestId::String(text) => text.parse().ok(),
    };
    if let (Some(number), true) = (number, by != 0) {
        *id = RequestId::Number(number + by);
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Numbered<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        mut item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let numbers = &self.numbers;
        match &mut item {
            JsonRpcMessage::Request(request) => {
                shift(&mut request.id, numbers.base);
                if let RequestId::Number(id) = request.id {
                    numbers.highest.fetch_max(id, Ordering::AcqRel);
                }
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &mut notification.notification
                    && let Some(id) = &mut cancelled.params.request_id
                {
                    shift(id, numbers.base);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let mut message = self.inner.receive().await?;
        match &mut message {
            JsonRpcMessage::Response(response) => shift(&mut response.id, -self.numbers.base),
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &mut error.id {
                    shift(id, -self.numbers.base);
                }
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
