//! One type for all transports: rmcp's service is generic over its transport, and would be compiled once for each.

use std::borrow::Cow;
use std::error::Error as StdError;

use futures::future::BoxFuture;
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// Any transport.
pub struct BoxTransport(Box<dyn Object>);

/// What a transport failed with; its source is the transport's own error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BoxTransportError(#[source] Box<dyn StdError + Send + Sync>);

type Outcome = Result<(), BoxTransportError>;

trait Object: Send {
    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> BoxFuture<'static, Outcome>;
    fn receive(&mut self) -> BoxFuture<'_, Option<RxJsonRpcMessage<RoleClient>>>;
    fn close(&mut self) -> BoxFuture<'_, Outcome>;
}

impl<T: Transport<RoleClient>> Object for T {
    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> BoxFuture<'static, Outcome> {
        let sending = Transport::send(self, item);
        Box::pin(async move { sending.await.map_err(boxed) })
    }

    fn receive(&mut self) -> BoxFuture<'_, Option<RxJsonRpcMessage<RoleClient>>> {
        Box::pin(Transport::receive(self))
    }

    fn close(&mut self) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { Transport::close(self).await.map_err(boxed) })
    }
}

fn boxed(error: impl StdError + Send + Sync + 'static) -> BoxTransportError {
    BoxTransportError(Box::new(error))
}

impl BoxTransport {
    pub fn new(transport: impl Transport<RoleClient> + 'static) -> Self {
        Self(Box::new(transport))
    }
}

impl Transport<RoleClient> for BoxTransport {
    type Error = BoxTransportError;

    fn name() -> Cow<'static, str> {
        "librechat-mcp-native".into()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        self.0.send(item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.0.receive()
    }

    fn close(&mut self) -> impl Future<Output = Outcome> + Send {
        self.0.close()
    }
}
