//! A request, with what the server wants of people before it answers: questions inside results (2026-07-28), and URLs that
//! an error wants the user to go to first (2025-11-25, SEP-1036).

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::sleep_until;

use super::caller::{Caller, ELICITATION};
use super::failures::{gone, unanswered};
use super::generation::Generation;
use super::options::CallOptions;
use super::result_type::check_object;
use super::rounds::{self, Rounds};
use super::session::Session;
use super::url_elicitation::wants_elicitations;
use crate::error::{Error, Result};
use crate::host::ServerRequest;
use crate::transport::message::Params;

impl Session {
    pub async fn request(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let generation = self.described()?.generation();
        if generation == Generation::Initialize {
            let result = self.request_after_elicitations(method, params, options);
            let result = result.await?;
            return check_object(method, &result).map(|()| result);
        }
        let mut rounds = Rounds::of(method);
        let mut next = None;
        loop {
            let params = next.as_ref().map_or(params, Params::Members);
            let result = self.request_once(method, params, options).await?;
            let Some(wish) = rounds.wish(&result)? else {
                return Ok(result);
            };
            let client = &self.engine().client;
            let answers = rounds.answer(wish.input_requests, client, options.caller.as_ref());
            let answers = self
                .while_wanted(options, answers)
                .await?
                .map_err(|unanswered| {
                    let client = &self.engine().client;
                    client.told(method, unanswered).into_error()
                })?;
            next = Some(rounds::next_params(params, &answers, wish.request_state)?);
            self.engine().note_round();
        }
    }

    /// What people are asked for a request, until nobody wants it any more.
    async fn while_wanted<T>(
        &self,
        options: &CallOptions,
        asking: impl Future<Output = T>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = options.cancel.cancelled() => Err(Error::aborted()),
            () = self.engine().life.cancelled() => Err(gone()),
            () = sleep_until(options.deadline) => Err(unanswered()),
            answer = asking => Ok(answer),
        }
    }

    /// A request of a session that began with `initialize`. One that the server refuses until the user has been to some
    /// URLs is sent once more after the host has accepted them: refused, it has not run.
    async fn request_after_elicitations(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let error = match self.request_once(method, params, options).await {
            Err(error) if wants_elicitations(&error) => error,
            outcome => return outcome,
        };
        Box::pin(self.elicit(error, options)).await?;
        Box::pin(self.request_once(method, params, options)).await
    }

    /// Asks whoever made the request, for one elicitation after the other. Fails with the server's error unless all are
    /// accepted.
    async fn elicit(&self, error: Error, options: &CallOptions) -> Result<()> {
        let engine = self.engine();
        let client = &engine.client;
        let caller = options.caller.as_ref().or_else(|| client.owner().ok());
        let may_ask = |caller: &&Caller| client.elicits && caller.answers(ELICITATION);
        let Some(caller) = caller.filter(may_ask) else {
            return Err(error);
        };
        let wanted = error.data.as_ref().map(|data| &data["elicitations"]);
        let wanted = wanted.and_then(Value::as_array).cloned();
        for params in wanted.unwrap_or_default() {
            engine.inbound.elicitations.note(&params, caller);
            let id = params["elicitationId"].to_string();
            let request = ServerRequest {
                // The only id that it has.
                id: &id,
                method: ELICITATION,
                params,
            };
            let answer = self.while_wanted(options, caller.reply(request)).await?;
            let outcome = match answer {
                Ok(answer) if answer["action"] == "accept" => continue,
                Ok(answer) if answer["action"] == "decline" => "the user declined".to_owned(),
                Ok(_) => "the user cancelled".to_owned(),
                Err(unanswered) => {
                    let unanswered = client.told(ELICITATION, unanswered);
                    unanswered.told.message.into_owned()
                }
            };
            let message = format!("{} ({outcome})", error.message);
            return Err(Error { message, ..error });
        }
        Ok(())
    }
}
