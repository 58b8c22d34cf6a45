//! What a server sends by itself: which call its requests belong to, how many of them are taken, and who answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rmcp::model::{ErrorData, ProgressNotificationParam, ProtocolVersion};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::asked::{Asked, Place};
use super::caching::Lists;
use super::caller::{Caller, ELICITATION, ELICITATION_COMPLETE, LOG_MESSAGE, reply_without_host};
use super::engine::Engine;
use super::events::Event;
use super::subscriptions::{PROMPTS_CHANGED, RESOURCE_UPDATED, RESOURCES_CHANGED, TOOLS_CHANGED};
use crate::background;
use crate::host::ServerRequest;
use crate::nesting::{self, MAX_NESTING};
use crate::transport::Lane;
use crate::transport::message::{Request, answer};

impl Engine {
    /// A request of the server. `during`: the request of ours on whose stream it came.
    pub(super) fn asked(&self, request: &Request<'_>, during: Option<u64>) {
        if !self.client.answers(&request.method) {
            return self.answer_soon(request.id, reply_without_host(&request.method));
        }
        let begun = self.begin(request, during);
        let (caller, params, ended, place) = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(refusal) => return self.answer_soon(request.id, Err(refusal)),
        };
        let (id, method) = (request.id.to_owned(), request.method.clone().into_owned());
        let Some(engine) = self.handle() else { return };
        // A host that takes its time keeps no session alive.
        let (life, engine) = (self.life.clone(), Arc::downgrade(&engine));
        background::spawn(async move {
            let request = ServerRequest {
                id: id.get(),
                method: &method,
                params,
            };
            let reply = tokio::select! {
                biased;
                () = life.cancelled() => return,
                () = place.asked.withdrawn.cancelled() => None,
                () = ended.cancelled() => Some(Err(over().into())),
                reply = caller.reply(request) => Some(reply),
            };
            let Some(engine) = engine.upgrade() else {
                return;
            };
            if let Some(reply) = reply {
                let reply = reply.map_err(|it| engine.client.told(&method, it).told);
                if let Ok(text) = answer(&id, reply) {
                    engine.deliver(text).await;
                }
            }
            // How long the call may be silent is counted from here on.
            if let Some(call) = during.and_then(|id| engine.requests.get(id)) {
                call.progressed.notify_one();
            }
            drop(place);
        });
    }

    /// Whom the host asks, with what, until when; and a place among all that it is asked.
    fn begin(
        &self,
        request: &Request<'_>,
        during: Option<u64>,
    ) -> Result<Option<(Caller, Value, CancellationToken, Place)>, ErrorData> {
        let (caller, ended) = self.whom(during)?;
        let text = request.params.map_or("null", RawValue::get);
        let asked = Asked {
            id: request.id.get().into(),
            during,
            user_id: caller.peer.user_id.clone(),
            bytes: request.id.get().len() + text.len(),
            withdrawn: CancellationToken::new(),
        };
        let Some(place) = self.inbound.begin(asked)? else {
            return Ok(None);
        };
        let mut params = nesting::parse::<Value>(text, MAX_NESTING)
            .map_err(|_| ErrorData::invalid_params("Unreadable parameters", None))?;
        self.client.permits(&request.method, &mut params)?;
        if request.method == ELICITATION {
            self.inbound.elicitations.note(&params, &caller);
        }
        Ok(Some((caller, params, ended, place)))
    }

    /// Whom a request is for, and until when.
    fn whom(&self, during: Option<u64>) -> Result<(Caller, CancellationToken), ErrorData> {
        let Some(id) = during else {
            // Wires that do not tell calls apart cannot be asked for more than one that is under way.
            let is_unassociated =
                matches!(self.lane(), Some(Lane::Direct(_))) || self.requests.is_empty();
            if self.is_strict() && is_unassociated {
                return Err(ErrorData::invalid_params(
                    "SEP-2260: server-to-client requests must be associated with an in-flight client request",
                    None,
                ));
            }
            let agreed = self.agreed.lock().clone();
            let ended = agreed.map_or_else(|| self.life.clone(), |agreed| agreed.over.clone());
            return Ok((self.client.owner()?.clone(), ended));
        };
        let request = self.requests.get(id).filter(|it| !it.has_answer());
        let request = request.ok_or_else(over)?;
        let caller = match &request.caller {
            Some(caller) => caller,
            None => self.client.owner()?,
        };
        Ok((caller.clone(), request.ended.clone()))
    }

    /// Requests may only be sent in a call (SEP-2260, from 2026-07-28).
    fn is_strict(&self) -> bool {
        let described = self.described();
        described.is_some_and(|it| it.version >= ProtocolVersion::V_2026_07_28)
    }

    /// A notification of the server. `during`: the request of ours on whose stream it came.
    pub(super) fn told(&self, method: &str, params: Option<&RawValue>, during: Option<u64>) {
        match method {
            TOOLS_CHANGED | RESOURCES_CHANGED | PROMPTS_CHANGED | RESOURCE_UPDATED
                if !self.is_heard(method, params) => {}
            "notifications/progress" => self.progressed(params),
            "notifications/cancelled" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Cancelled<'a> {
                    #[serde(borrow)]
                    request_id: &'a RawValue,
                }
                if let Some(Ok(cancelled)) =
                    params.map(|params| serde_json::from_str::<Cancelled<'_>>(params.get()))
                {
                    self.inbound.withdraw(cancelled.request_id.get(), during);
                    self.cancelled_subscription(cancelled.request_id);
                }
            }
            LOG_MESSAGE => self.logs(params, during),
            ELICITATION_COMPLETE => self.elicited(params),
            TOOLS_CHANGED => {
                self.expire(Lists::Tools);
                self.tools_changes.fetch_add(1, Ordering::Relaxed);
                self.client.notice(Event::ToolsChanged);
            }
            RESOURCES_CHANGED => {
                self.expire(Lists::Resources);
                self.client.notice(Event::ResourcesChanged);
            }
            PROMPTS_CHANGED => {
                self.expire(Lists::Prompts);
                self.client.notice(Event::PromptsChanged);
            }
            RESOURCE_UPDATED => self.updated(params),
            "notifications/subscriptions/acknowledged" => self.acknowledged(params, during),
            _ => {}
        }
    }

    /// A log message is the user's on the stream of whose call it comes, else the owner's of the connection.
    fn logs(&self, params: Option<&RawValue>, during: Option<u64>) {
        let owner = &self.client.owner;
        let Some(params) = params.filter(|_| self.client.hears_log()) else {
            return;
        };
        if nesting::is_deeper(params.get(), MAX_NESTING) {
            return;
        }
        let request = during.and_then(|id| self.requests.get(id));
        let caller = request.as_ref().and_then(|it| it.caller.as_ref());
        let is_nobodys = caller.is_none() && owner.peer.user_id.is_none();
        let caller = caller.unwrap_or(owner).clone();
        self.notify(caller, LOG_MESSAGE, params, is_nobodys);
    }

    /// A user is done at a URL. That is told to whoever was asked to go there, whatever stream it comes on.
    fn elicited(&self, params: Option<&RawValue>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Complete {
            elicitation_id: String,
        }
        let Some(params) = params.filter(|it| !nesting::is_deeper(it.get(), MAX_NESTING)) else {
            return;
        };
        let complete = serde_json::from_str::<Complete>(params.get()).ok();
        let caller = complete.and_then(|it| self.inbound.elicitations.complete(&it.elicitation_id));
        if let Some(caller) = caller {
            self.notify(caller, ELICITATION_COMPLETE, params, false);
        }
    }

    fn notify(&self, caller: Caller, method: &'static str, params: &RawValue, is_nobodys: bool) {
        let notices = self.inbound.notices();
        if !notices.push(caller, method, params.get().to_owned(), is_nobodys)
            && let Some(dropped) = self.inbound.dropped_notices.another()
        {
            self.client.logger.warn(format!(
                "The server sends log messages faster than onLogMessage takes them; dropped: {dropped}"
            ));
        }
    }

    fn progressed(&self, params: Option<&RawValue>) {
        let params = params.and_then(|params| nesting::parse(params.get(), MAX_NESTING).ok());
        let Some(params): Option<ProgressNotificationParam> = params else {
            return;
        };
        let token = serde_json::to_value(&params.progress_token).unwrap_or_default();
        let id = token.as_u64().or_else(|| token.as_str()?.parse().ok());
        if let Some(request) = id.and_then(|id| self.requests.get(id)) {
            request.progress(&params);
        }
    }
}

fn over() -> ErrorData {
    ErrorData::invalid_request("The call that this request belongs to is over", None)
}

#[cfg(test)]
mod tests;
