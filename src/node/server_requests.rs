//! What servers ask and tell, for the host's `sampling`, `elicitation`, `roots` and `onLogMessage`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::backlog::Backlog;
use super::call::CallContext;
use super::js::{JsResult, Scope};
use super::prelude::Present;
use crate::connection::log_prefix;
use crate::error::{Code, Error, Result};
use crate::host::{Logger, Peer, ServerRequests};

/// People answer these; MCP leaves the bound to the client.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Methods that a host may answer, and the member that does.
const HANDLERS: [(&str, &str); 3] = [
    ("sampling/createMessage", "sampling"),
    ("elicitation/create", "elicitation"),
    ("roots/list", "roots"),
];

const LOG_LISTENER: &str = "onLogMessage";
const LOG_MESSAGE: &str = "notifications/message";

/// Asks the host in the context of the call that a server asks in, or of the one that made the connection.
pub struct HostHandlers {
    context: Arc<CallContext>,
    /// Which members the host has, in the order of [`HANDLERS`].
    present: [bool; 3],
    /// Where the host listens, what it has not heard yet.
    heard: Option<LogMessages>,
}

/// Log messages of one server on their way to the host.
struct LogMessages {
    logger: Logger,
    /// Made with the first message, which says whose they are.
    waiting: OnceLock<Arc<Backlog>>,
    dropped: AtomicU64,
}

impl HostHandlers {
    /// `None` for a host that wants to hear nothing.
    pub fn new(context: &Arc<CallContext>, services: Present, logger: &Logger) -> Option<Self> {
        let present = std::array::from_fn(|index| services.has(HANDLERS[index].1));
        let listens = services.has(LOG_LISTENER);
        let wanted = listens || present.contains(&true);
        wanted.then(|| Self {
            context: Arc::clone(context),
            present,
            heard: listens.then(|| LogMessages {
                logger: logger.clone(),
                waiting: OnceLock::new(),
                dropped: AtomicU64::new(0),
            }),
        })
    }

    fn log_messages(&self, peer: &Peer) -> Arc<Backlog> {
        let (context, peer) = (Arc::clone(&self.context), peer.clone());
        Backlog::new(&self.context.thread, move |scope, params| {
            context.inform(scope, LOG_LISTENER, || {
                let host = context.host(scope);
                let arguments = [scope.parse_json(&params)?, describe(scope, &peer)?];
                context.apply(host.get(LOG_LISTENER)?, host, &arguments)
            });
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
        if method == LOG_MESSAGE {
            return self.heard.is_some();
        }
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
            move |_, value| value.to_exact_json(member),
        );
        answer.await?.ok_or_else(|| {
            Error::new(
                Code::HostError,
                format!("The host callback {member} returned nothing"),
            )
        })
    }

    fn notify(&self, peer: &Peer, _method: &str, params: String) {
        let Some(heard) = &self.heard else { return };
        let waiting = heard.waiting.get_or_init(|| self.log_messages(peer));
        if waiting.push(params) {
            return;
        }
        let dropped = heard.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        // Told again with each further digit, so that a flood of messages is no flood of warnings.
        if 10_u64.pow(dropped.ilog10()) == dropped {
            let prefix = log_prefix(peer.user_id.as_deref(), &peer.server_name);
            heard.logger.warn(format!(
                "{prefix} The server sends log messages faster than {LOG_LISTENER} takes them; dropped: {dropped}"
            ));
        }
    }
}
