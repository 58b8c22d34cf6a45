//! A request of a caller, as metrics, events and spans tell of it.

use std::sync::Arc;

use serde_json::Value;

use super::state::Manager;
use crate::connection::{CallOptions, Connection, Params, SentId};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text, safe_message};
use crate::log::Logger;
use crate::server_config::{Transport, TransportKind};
use crate::telemetry::{Details, Kind, Operation, Started, TOOL_ERROR, method_name};

/// A request from its begin to its end.
pub struct Observation {
    started: Started,
    method: &'static str,
    tool: Option<String>,
    transport: Option<&'static str>,
    /// Absent unless somebody wants spans.
    seen: Option<Box<Seen>>,
}

struct Seen {
    sent_id: Arc<SentId>,
    details: Details,
}

impl Observation {
    #[must_use]
    pub fn begin(
        (method, params): (&str, Params<'_>),
        server_name: &str,
        user_id: Option<&str>,
        logger: &Logger,
    ) -> Self {
        let tool = params.tool_name(method);
        let kind = if tool.is_some() {
            Kind::ToolCall
        } else {
            Kind::Request
        };
        let name = method_name(method);
        let seen = logger.wants_spans().then(|| {
            let target = target_of(name, params);
            Box::new(Seen {
                sent_id: SentId::of(name),
                details: Details {
                    target,
                    ..Details::default()
                },
            })
        });
        Self {
            started: Started::now(kind, server_name, user_id),
            method: name,
            // A model wrote it.
            tool: tool.map(written_by_others),
            transport: None,
            seen,
        }
    }

    /// Has the id noted that the request is sent with.
    pub fn follow(&self, options: &mut CallOptions) {
        options.sent_id = self.seen.as_ref().map(|seen| Arc::clone(&seen.sent_id));
    }

    pub const fn goes_over(&mut self, transport: TransportKind) {
        self.transport = Some(transport.as_str());
    }

    pub fn carried_by(&mut self, connection: &Connection) {
        let transport = &connection.recipe.config.transport;
        self.goes_over(transport.kind());
        let Some(seen) = &mut self.seen else {
            return;
        };
        let details = &mut seen.details;
        // A server may name its tools, prompts and sessions by what it was sent.
        let sent = connection.recipe.sent_secrets(None, None);
        let told = |text: &str| foreign_text(text, &sent);
        details.session_id = connection.session_id().as_deref().map(told);
        details.target = details.target.as_deref().map(told);
        self.tool = self.tool.as_deref().map(told);
        let described = connection.described().ok();
        details.protocol_version = described.map(|it| it.version.as_str().to_owned());
        if let Transport::Http { url, .. } = transport {
            let host = url.host_str().map(str::to_owned);
            details.server = host.map(|host| (host, url.port_or_known_default()));
        }
    }

    /// Counts the request and tells the host. A tool may answer with an error of its own.
    pub fn end<T>(
        self,
        outcome: Result<&T, &Error>,
        is_tool_error: bool,
        manager: &Manager,
        logger: &Logger,
    ) {
        let mut details = self.seen.map(|seen| {
            let Seen { sent_id, details } = *seen;
            let request_id = sent_id.get();
            Box::new(Details {
                request_id,
                ..details
            })
        });
        if let (Some(details), Err(error)) = (&mut details, &outcome) {
            let is_servers = error.code == Code::ServerError;
            details.rpc_code = error.rpc_code.filter(|_| is_servers);
            details.message = Some(safe_message(error.message.clone()));
        }
        let ended = if is_tool_error {
            self.started.ended(TOOL_ERROR, true)
        } else {
            self.started.ended_with(outcome)
        };
        let operation = Operation {
            transport: self.transport,
            tool: self.tool,
            method: self.method,
            details,
            ..ended
        };
        manager.record(operation, logger);
    }
}

/// What a request is about besides a tool. What follows a `?` may be a secret, such as that of a signed address.
fn target_of(method: &str, params: Params<'_>) -> Option<String> {
    let Params::Members(members) = params else {
        return None;
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let target = match method {
        "prompts/get" => text("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            text("uri").and_then(|uri| uri.split('?').next())
        }
        _ => None,
    };
    target.map(written_by_others)
}

fn written_by_others(text: &str) -> String {
    foreign_text(text, &SentSecrets::default())
}
