//! Requests that wait for their answers.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage};
use tokio_util::sync::CancellationToken;

/// Ids of requests that have not been answered, each with a token that ends the sending of a request nobody wants any
/// more. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashMap<RequestId, CancellationToken>>>);

impl Pending {
    /// Notes an outgoing request. A cancelled one expects no answer any more, and its token is cancelled.
    pub(super) fn outgoing(&self, message: &ClientJsonRpcMessage) -> Option<CancellationToken> {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                let cancelled = CancellationToken::new();
                self.0.lock().insert(request.id.clone(), cancelled.clone());
                Some(cancelled)
            }
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                    && let Some(token) = self.0.lock().remove(id)
                {
                    token.cancel();
                }
                None
            }
            ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => None,
        }
    }

    pub(super) fn incoming(&self, message: &ServerJsonRpcMessage) {
        let id = match message {
            ServerJsonRpcMessage::Response(response) => Some(&response.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
            ServerJsonRpcMessage::Request(_) | ServerJsonRpcMessage::Notification(_) => None,
        };
        if let Some(id) = id {
            self.find(id);
        }
    }

    /// Removes and returns the request that an answer's id means. Some servers send numbers back as strings, which
    /// rmcp accepts too.
    pub(super) fn find(&self, id: &RequestId) -> Option<RequestId> {
        let mut pending = self.0.lock();
        let take = |(id, _)| id;
        pending.remove_entry(id).map(take).or_else(|| match id {
            RequestId::String(text) => pending
                .remove_entry(&RequestId::Number(text.parse().ok()?))
                .map(take),
            RequestId::Number(_) => None,
        })
    }

    /// Removes and returns the pending request, where there is exactly one.
    pub(super) fn only(&self) -> Option<RequestId> {
        let mut pending = self.0.lock();
        if pending.len() != 1 {
            return None;
        }
        pending.drain().next().map(|(id, _)| id)
    }

    /// Gives all of them up: returns their ids and ends their sending.
    pub(super) fn give_up(&self) -> Vec<RequestId> {
        let end = |(id, token): (RequestId, CancellationToken)| {
            token.cancel();
            id
        };
        self.0.lock().drain().map(end).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
