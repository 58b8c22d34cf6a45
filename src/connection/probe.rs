//! `server/discover` as a question: do you speak the protocol without handshakes?

use std::borrow::Cow;

use rmcp::model::{ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerResult};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// A transport on which a result that describes no server counts as a refusal. Servers that answer every method they do
/// not know with an empty result know only `initialize`; rmcp falls back to it after an error alone.
pub(super) struct Probing<T> {
    inner: T,
    asked: Option<RequestId>,
}

impl<T> Probing<T> {
    pub const fn new(inner: T) -> Self {
        Self { inner, asked: None }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Probing<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Request(request) = &item
            && matches!(request.request, ClientRequest::DiscoverRequest(_))
        {
            self.asked = Some(request.id.clone());
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let message = self.inner.receive().await?;
        match message {
            JsonRpcMessage::Response(response) if self.asked.as_ref() == Some(&response.id) => {
                self.asked = None;
                Some(match response.result {
                    ServerResult::DiscoverResult(_) => JsonRpcMessage::Response(response),
                    _ => JsonRpcMessage::error(
                        ErrorData::invalid_request("server/discover was not understood", None),
                        Some(response.id),
                    ),
                })
            }
            other => Some(other),
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rmcp::model::{ClientJsonRpcMessage, DiscoverRequest, DiscoverRequestParams};
    use serde_json::{Value, json};

    use super::*;

    /// Answers every request with the same result.
    struct Answering(Value, Option<RequestId>);

    impl Transport<RoleClient> for Answering {
        type Error = Infallible;

        fn send(
            &mut self,
            item: TxJsonRpcMessage<RoleClient>,
        ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
            if let JsonRpcMessage::Request(request) = item {
                self.1 = Some(request.id);
            }
            std::future::ready(Ok(()))
        }

        async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
            let answer = json!({ "jsonrpc": "2.0", "id": self.1.take()?, "result": self.0 });
            serde_json::from_value(answer).ok()
        }

        async fn close(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    async fn answer_to_discover(result: Value) -> Option<RxJsonRpcMessage<RoleClient>> {
        let mut transport = Probing::new(Answering(result, None));
        let discover = DiscoverRequest::new(DiscoverRequestParams {});
        let request = ClientRequest::DiscoverRequest(discover);
        let message = ClientJsonRpcMessage::request(request, RequestId::Number(1));
        transport.send(message).await.unwrap();
        transport.receive().await
    }

    #[tokio::test]
    async fn description_of_a_server_passes() {
        let described = json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "supportedVersions": ["2026-07-28"],
            "capabilities": {}, "serverInfo": { "name": "srv", "version": "1" },
        });
        assert!(matches!(
            answer_to_discover(described).await,
            Some(JsonRpcMessage::Response(_))
        ));
    }

    #[tokio::test]
    async fn any_other_result_is_a_refusal() {
        for result in [json!({}), json!({ "tools": [] })] {
            assert!(matches!(
                answer_to_discover(result).await,
                Some(JsonRpcMessage::Error(_))
            ));
        }
    }
}
