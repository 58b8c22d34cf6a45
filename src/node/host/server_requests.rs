//! What servers ask and tell, for the host's `sampling`, `elicitation`, `roots`, `onLogMessage` and
//! `onElicitationComplete`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value as Json;

use crate::error::{Code, Error, Result};
use crate::host::{Notice, Peer, ServerRequest, ServerRequests};
use crate::node::engine::{JsRef, JsResult, Present, Scope};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::services::HANDLER;
use crate::node::marshal::to_js::{ToJs, WithMembers};

/// People answer these; MCP leaves the bound to the client.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Methods that a host may answer, and the member that does.
const HANDLERS: [(&str, &str); 3] = [
    ("sampling/createMessage", "sampling"),
    ("elicitation/create", "elicitation"),
    ("roots/list", "roots"),
];

/// Notifications that a host may hear, and the member that does.
const LISTENERS: [(&str, &str); 2] = [
    ("notifications/message", "onLogMessage"),
    (
        "notifications/elicitation/complete",
        "onElicitationComplete",
    ),
];

/// Asks the host in the context of the call that a server asks in, or of the one that made the connection.
pub struct HostHandlers {
    context: Arc<CallContext>,
    /// Which members the host has, in the order of [`HANDLERS`].
    present: [bool; 3],
    /// The same of [`LISTENERS`].
    listens: [bool; 2],
}

impl HostHandlers {
    /// `None` for a host that wants to hear nothing.
    pub fn new(context: &Arc<CallContext>, services: Present) -> Option<Self> {
        let present = std::array::from_fn(|index| services.has(HANDLERS[index].1));
        let listens = std::array::from_fn(|index| services.has(LISTENERS[index].1));
        let wanted = listens.contains(&true) || present.contains(&true);
        wanted.then(|| Self {
            context: Arc::clone(context),
            present,
            listens,
        })
    }
}

/// `{ serverName, userId, toolName? }`.
impl<'env> ToJs<'env> for Peer {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        scope
            .object()?
            .with("serverName", &self.server_name)?
            .with("userId", &self.user_id)?
            .optional("toolName", self.tool_name.as_ref())
    }
}

/// The `AbortController` of a handler. Dropped before the handler has answered, it tells the handler that nobody waits.
pub(super) struct Handling {
    context: Arc<CallContext>,
    /// Empty until the handler has been called.
    controller: Arc<Mutex<Option<JsRef>>>,
    pub has_answered: bool,
}

impl Handling {
    pub fn new(context: &Arc<CallContext>) -> Self {
        Self {
            context: Arc::clone(context),
            controller: Arc::default(),
            has_answered: false,
        }
    }

    /// Makes the handler's signal, where the handler is called.
    pub fn beginning(
        &self,
    ) -> impl for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send + use<>
    {
        let controller = Arc::clone(&self.controller);
        move |context, scope| {
            let aborts = context.realm.abort_controller.get(scope).construct(&[])?;
            let signal = aborts.get("signal")?;
            *controller.lock() = Some(JsRef::new(&context.thread, aborts)?);
            Ok(signal)
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if self.has_answered {
            return;
        }
        let (context, controller) = (Arc::clone(&self.context), Arc::clone(&self.controller));
        // After the job that calls the handler, which may not have run yet.
        self.context.thread.post(move |scope| {
            let Some(controller) = controller.lock().take() else {
                return;
            };
            let controller = controller.get(scope);
            context.inform(scope, "signal", || {
                context.apply(controller.get("abort")?, controller, &[])
            });
        });
    }
}

#[async_trait]
impl ServerRequests for HostHandlers {
    fn handles(&self, method: &str) -> bool {
        let handlers = HANDLERS.iter().zip(self.present);
        let mut members = handlers.chain(LISTENERS.iter().zip(self.listens));
        members.any(|((known, _), present)| *known == method && present)
    }

    async fn answer(&self, peer: &Peer, request: ServerRequest<'_>) -> Result<Json> {
        let ServerRequest { id, method, params } = request;
        let Some((_, member)) = HANDLERS.iter().find(|(known, _)| *known == method) else {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("No handler for {method}"),
            ));
        };
        let mut handling = Handling::new(&self.context);
        let begin = handling.beginning();
        let (peer, id) = (peer.clone(), id.to_owned());
        let handler = Callback::<(), ()>::new(member, TIMEOUT);
        let answer = handler.call_with(
            &self.context,
            move |context, scope| {
                let host = context.host(scope);
                let peer = peer.to_js(scope)?;
                peer.set("signal", begin(context, scope)?)?;
                peer.set("requestId", scope.parse_json(&id)?)?;
                let (handler, this) = match host.get(member)? {
                    function if function.is_function() => (function, host),
                    object => (object.get(HANDLER)?, object),
                };
                context.apply(handler, this, &[scope.json(&params)?, peer])
            },
            move |_, answer| answer.to_exact_json(member),
        );
        let answer = answer.await;
        // One that takes too long is told so.
        handling.has_answered = !matches!(&answer, Err(error) if error.code == Code::HostTimeout);
        answer?.ok_or_else(|| {
            Error::new(
                Code::HostError,
                format!("The host callback {member} returned nothing"),
            )
        })
    }

    fn notify(&self, peer: &Peer, notice: Notice) {
        let (context, peer) = (Arc::clone(&self.context), peer.clone());
        self.context.thread.post(move |scope| {
            let Notice {
                method,
                params,
                is_nobodys,
                heard,
            } = notice;
            let listener = LISTENERS.iter().find(|(known, _)| *known == method);
            let Some((_, member)) = listener else { return };
            context.inform(scope, member, || {
                let host = context.host(scope);
                let arguments = [scope.parse_json(&params)?, peer.to_js(scope)?];
                let listener = host.get(member)?;
                if is_nobodys {
                    let outside = &context.realm.outside;
                    return outside.apply(listener, host, &arguments);
                }
                context.apply(listener, host, &arguments)
            });
            drop(heard);
        });
    }
}
