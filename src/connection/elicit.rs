//! A request that the server refuses until the user has been to some URLs (SEP-1036).

use serde_json::Value;
use serde_json::value::RawValue;

use super::caller::{Caller, ELICITATION};
use super::options::CallOptions;
use super::session::Session;
use crate::error::{Error, Result};
use crate::host::ServerRequest;
use crate::transport::message::Params;

impl Session {
    /// A request of a session that began with `initialize`. One that the server refuses until the user has been to some
    /// URLs is sent once more after the host has accepted them: refused, it has not run.
    pub(super) async fn request_after_elicitations(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let error = match self.request_once(method, params, options).await {
            Err(error) if error.data.is_some() => error,
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
                Err(failure) => failure.message.into_owned(),
            };
            let message = format!("{} ({outcome})", error.message);
            return Err(Error { message, ..error });
        }
        Ok(())
    }
}
