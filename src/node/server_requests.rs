//! What servers ask and tell, for the host's `sampling`, `elicitation`, `roots` and `onLogMessage`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::call::CallContext;
use super::js::{JsResult, Scope};
use super::prelude::Present;
use crate::error::{Code, Error, Result};
use crate::host::{Peer, ServerRequests};

/// People answer these; MCP leaves the bound to the client.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Methods that a host may answer, and the member that does.
const HANDLERS: [(&str, &str); 3] = [
    ("sampling/createMessage", "sampling"),
    ("elicitation/create", "elicitation"),
    ("roots/list", "roots"),
];

const LOG_LISTENER: &str = "onLogMessage";

/// Asks the host in the context of the call that made the connection.
pub struct HostHandlers {
    context: Arc<CallContext>,
    /// Which members the host has, in the order of [`HANDLERS`].
    present: [bool; 3],
    listens: bool,
}

impl HostHandlers {
    /// `None` for a host that wants to hear nothing.
    pub fn new(context: &Arc<CallContext>, services: Present) -> Option<Self> {
        let present = std::array::from_fn(|index| services.has(HANDLERS[index].1));
        let listens = services.has(LOG_LISTENER);
        let wanted = listens || present.contains(&true);
        wanted.then(|| Self {
            context: Arc::clone(context),
            present,
            listens,
        })
    }
}

/// `{ serverName, userId }`.
fn describe<'env>(scope: Scope<'env>, peer: &Peer) -> JsResult<'env> {
    let object = scope.object()?;
    object.set("serverName", scope.string(&peer.server_name)?)?;
    object.set("userId", scope.optional_string(peer.user_id.as_deref())?)?;
    Ok(object)
}

#[async_trait]
impl ServerRequests for HostHandlers {
    fn handles(&self, method: &str) -> bool {
        HANDLERS
            .iter()
            .zip(self.present)
            .any(|((known, _), present)| *known == method && present)
    }

    async fn answer(&self, peer: &Peer, method: &str, params: Json) -> Result<Json> {
        let Some((_, member)) = HANDLERS.iter().find(|(known, _)| *known == method) else {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("No handler for {method}"),
            ));
        };
        let peer = peer.clone();
        let answer = self.context.callback(
            member,
            TIMEOUT,
            move |context, scope| {
                let host = context.host(scope);
                let arguments = [scope.json(&params)?, describe(scope, &peer)?];
                context.apply(host.get(member)?, host, &arguments)
            },
            |_, value| value.to_json(),
        );
        answer.await?.ok_or_else(|| {
            Error::new(
                Code::HostError,
                format!("The host callback {member} returned nothing"),
            )
        })
    }

    fn notify(&self, peer: &Peer, _method: &str, params: Json) {
        if !self.listens {
            return;
        }
        let (context, peer) = (Arc::clone(&self.context), peer.clone());
        self.context.thread.post(move |scope| {
            let host = context.host(scope);
            // A listener that throws must not break the connection.
            let _ = (|| {
                let arguments = [scope.json(&params)?, describe(scope, &peer)?];
                context.apply(host.get(LOG_LISTENER)?, host, &arguments)
            })();
        });
    }
}
