//! What a server sends by itself: which call its requests belong to, how many of them are taken, and who answers.
//!
//! rmcp starts a task without bound for each request and notification of a server, and does not say on whose call's
//! stream it came; so neither reaches it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientResult, ErrorCode, ErrorData, GetExtensions,
    JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerNotification,
    ServerRequest, ServerResult,
};
use rmcp::service::{InboundStreamOrigin, RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::handler::Handler;

/// Requests of a server that the host is asked at the same time; others are refused.
const ANSWERED: usize = 32;
/// Requests of a server that are under way, until it has taken the answer; others are dropped, since a server that has
/// sent so many takes no answers.
const UNDER_WAY: usize = 64;
/// A transport that hands over nothing for so long has nothing left.
const QUIET: Duration = Duration::from_millis(20);
/// How long a closing transport may go on handing over.
const LONGEST_DRAIN: Duration = Duration::from_millis(200);
/// JSON-RPC, "server error": the code for what an implementation defines itself.
const TOO_MANY: ErrorCode = ErrorCode(-32000);

/// What a request of ours carries through rmcp: who asks, and until when.
pub(super) struct Origin {
    /// Absent for requests that no user has made.
    pub caller: Option<Caller>,
    /// Cancelled when the request has its answer, or is given up.
    pub ended: CancellationToken,
}

/// How many requests of a server have no answer yet.
#[derive(Clone)]
pub(super) struct UnderWay(Arc<Semaphore>);

impl Default for UnderWay {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNDER_WAY)))
    }
}

impl UnderWay {
    pub fn is_empty(&self) -> bool {
        self.0.available_permits() == UNDER_WAY
    }

    fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

/// An answer on its way to the server.
struct Reply {
    id: RequestId,
    message: ClientJsonRpcMessage,
    under_way: OwnedSemaphorePermit,
}

/// A transport that leaves rmcp nothing but answers.
pub(super) struct Inbound<T> {
    inner: T,
    handler: Handler,
    under_way: UnderWay,
    /// Our requests that the server has not answered.
    origins: HashMap<RequestId, Arc<Origin>>,
    /// The server's requests that are being answered.
    answering: HashMap<RequestId, CancellationToken>,
    replies: (mpsc::Sender<Reply>, mpsc::Receiver<Reply>),
    tasks: JoinSet<()>,
    /// Requests may only be sent in a call (SEP-2260, from 2026-07-28).
    is_strict: bool,
    dropped: u64,
}

impl<T: Transport<RoleClient>> Inbound<T> {
    pub fn new(inner: T, handler: Handler, under_way: UnderWay) -> Self {
        Self {
            inner,
            handler,
            under_way,
            origins: HashMap::new(),
            answering: HashMap::new(),
            replies: mpsc::channel(UNDER_WAY),
            tasks: JoinSet::new(),
            is_strict: false,
            dropped: 0,
        }
    }

    fn outgoing(&mut self, message: &ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => {
                if let Some(origin) = request.request.extensions().get::<Arc<Origin>>() {
                    self.origins
                        .retain(|_, origin| !origin.ended.is_cancelled());
                    self.origins.insert(request.id.clone(), Arc::clone(origin));
                }
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.origins.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }

    /// What is left of a message for rmcp.
    fn incoming(&mut self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        match message {
            JsonRpcMessage::Request(request) => self.request(request.id, request.request),
            JsonRpcMessage::Notification(notification) => match notification.notification {
                ServerNotification::CancelledNotification(cancelled) => {
                    let id = cancelled.params.request_id;
                    if let Some(answering) = id.and_then(|id| self.answering.remove(&id)) {
                        answering.cancel();
                    }
                }
                other => self.handler.notification(other),
            },
            JsonRpcMessage::Response(response) => {
                self.origins.remove(&response.id);
                match &response.result {
                    ServerResult::DiscoverResult(_) => self.is_strict = true,
                    ServerResult::InitializeResult(result) => {
                        self.is_strict = result.protocol_version >= ProtocolVersion::V_2026_07_28;
                    }
                    _ => {}
                }
                return Some(JsonRpcMessage::Response(response));
            }
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.origins.remove(id);
                }
                return Some(JsonRpcMessage::Error(error));
            }
        }
        None
    }

    fn request(&mut self, id: RequestId, request: ServerRequest) {
        let Some(under_way) = self.under_way.enter() else {
            self.dropped += 1;
            if self.dropped == 1 {
                self.handler.logger.warn(format!(
                    "{} The server has sent {UNDER_WAY} requests that are not answered yet; further ones are dropped",
                    self.handler.log_prefix()
                ));
            }
            return;
        };
        let refusal = if !self.handler.owner.is_asked_by(&request) {
            None
        } else if self.answering.contains_key(&id) {
            let text = "A request with this id is under way";
            Some(ErrorData::invalid_request(text, None))
        } else if self.answering.len() >= ANSWERED {
            let text = format!("The client answers at most {ANSWERED} requests at a time");
            Some(ErrorData::new(TOO_MANY, text, None))
        } else {
            match self.asked(request.extensions()) {
                Ok((caller, ended)) => {
                    self.ask(id, request, caller, &ended, under_way);
                    return;
                }
                Err(refusal) => Some(refusal),
            }
        };
        let answer = match refusal {
            Some(refusal) => Some(Err(refusal)),
            // The host is not asked, so this is no more than to write it down.
            None => self.handler.owner.reply(request).now_or_never(),
        };
        if let Some(answer) = answer {
            self.send_reply(message(id, answer), under_way);
        }
    }

    /// Whom a request is for, and until when.
    fn asked(
        &self,
        extensions: &rmcp::model::Extensions,
    ) -> Result<(Caller, CancellationToken), ErrorData> {
        match extensions.get::<InboundStreamOrigin>() {
            Some(InboundStreamOrigin::OutboundRequest(id)) => {
                let origin = self.origins.get(id).filter(|it| !it.ended.is_cancelled());
                let origin = origin.ok_or_else(|| {
                    ErrorData::invalid_request(
                        "The call that this request belongs to is over",
                        None,
                    )
                })?;
                let caller = match &origin.caller {
                    Some(caller) => caller,
                    None => self.handler.owner()?,
                };
                Ok((caller.clone(), origin.ended.clone()))
            }
            // Other transports do not tell calls apart, so that one under way is as much as can be asked for.
            origin if self.is_strict && (origin.is_some() || self.origins.is_empty()) => {
                Err(ErrorData::invalid_params(
                    "SEP-2260: server-to-client requests must be associated with an in-flight client request",
                    None,
                ))
            }
            _ => Ok((self.handler.owner()?.clone(), CancellationToken::new())),
        }
    }

    fn ask(
        &mut self,
        id: RequestId,
        request: ServerRequest,
        caller: Caller,
        ended: &CancellationToken,
        under_way: OwnedSemaphorePermit,
    ) {
        let cancelled = ended.child_token();
        self.answering.insert(id.clone(), cancelled.clone());
        let replies = self.replies.0.clone();
        self.tasks.spawn(async move {
            let answer = tokio::select! {
                biased;
                () = cancelled.cancelled() => {
                    Err(ErrorData::invalid_request("The request, or the call that it belongs to, is over", None))
                }
                answer = caller.reply(request) => answer,
            };
            let reply = Reply {
                message: message(id.clone(), answer),
                id,
                under_way,
            };
            // There is room for all that are under way. It fails with the connection.
            let _ = replies.send(reply).await;
        });
    }

    fn send_reply(&mut self, message: ClientJsonRpcMessage, under_way: OwnedSemaphorePermit) {
        let sending = self.inner.send(message);
        self.tasks.spawn(async move {
            // A server that does not take it has lost more than an answer.
            let _ = sending.await;
            drop(under_way);
        });
    }
}

fn message(id: RequestId, answer: Result<ClientResult, ErrorData>) -> ClientJsonRpcMessage {
    match answer {
        Ok(result) => ClientJsonRpcMessage::response(result, id),
        Err(error) => ClientJsonRpcMessage::error(error, Some(id)),
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Inbound<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.outgoing(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            while self.tasks.try_join_next().is_some() {}
            let message = tokio::select! {
                Some(reply) = self.replies.1.recv() => {
                    self.answering.remove(&reply.id);
                    self.send_reply(reply.message, reply.under_way);
                    continue;
                }
                message = self.inner.receive() => message?,
            };
            if let Some(answer) = self.incoming(message) {
                return Some(answer);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.tasks.abort_all();
        // rmcp's worker hears that it is to end only when somebody has taken what it holds.
        if matches!(self.inner.receive().now_or_never(), Some(Some(_))) {
            let drain =
                async { while let Ok(Some(_)) = timeout(QUIET, self.inner.receive()).await {} };
            let _ = timeout(LONGEST_DRAIN, drain).await;
        }
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests;
