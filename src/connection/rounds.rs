//! Multi-round-trip requests (MCP 2026-07-28): a server that needs something first answers with what it wants to know,
//! and is asked again with the answers.

use std::result;
use std::time::Duration;

use futures::future::try_join_all;
use indexmap::IndexMap;
use rmcp::model::{DEFAULT_MRTR_MAX_ROUNDS, ErrorData, InputResponses};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::caller::{Caller, Unanswered};
use super::client::Client;
use super::result_type::{COMPLETE, INPUT_REQUIRED, TASK, result_type, unknown};
use crate::error::{Code, Error, Result};
use crate::host::ServerRequest;
use crate::nesting::{self, MAX_NESTING};
use crate::transport::message::Params;

/// Requests that a server may answer this way.
const METHODS: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];
/// What one result may ask the host at the same time, as much as a whole connection may.
const MAX_QUESTIONS: usize = 32;
/// Wait before a server that wants nothing but to be asked again: doubles with each time in a row.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What a server wants before it answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    #[serde(default)]
    pub input_requests: Option<Questions>,
    #[serde(default)]
    pub request_state: Option<String>,
}

pub(super) type Questions = IndexMap<String, Question>;

/// A request of the server that came inside a result.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub method: String,
    #[serde(default)]
    pub params: Value,
}

/// The rounds of one request; of most there is one.
pub(super) struct Rounds<'a> {
    method: &'a str,
    count: usize,
    /// Rounds in a row in which the server wanted to know nothing.
    idle: u32,
}

impl<'a> Rounds<'a> {
    pub const fn of(method: &'a str) -> Self {
        Self {
            method,
            count: 0,
            idle: 0,
        }
    }

    /// What the server wants before it answers; `None` when it has answered.
    ///
    /// Fails with [`Code::InvalidResponse`] for what is no answer to this request, and when the server never comes to an
    /// end.
    pub fn wish(&mut self, result: &RawValue) -> Result<Option<Wish>> {
        match result_type(self.method, result)? {
            COMPLETE => return Ok(None),
            TASK if self.method == "tools/call" => return Ok(None),
            INPUT_REQUIRED if METHODS.contains(&self.method) => {}
            other => return Err(unknown(self.method, other)),
        }
        self.count += 1;
        if self.count > DEFAULT_MRTR_MAX_ROUNDS {
            return Err(Error::new(
                Code::InvalidResponse,
                format!(
                    "The server wanted more input after {DEFAULT_MRTR_MAX_ROUNDS} rounds of it"
                ),
            ));
        }
        let wish: Option<Wish> = nesting::parse(result.get(), MAX_NESTING).ok();
        // Whoever wants nothing, and gives nothing to go on with, would want that for ever.
        let wish = wish.filter(|it| it.input_requests.is_some() || it.request_state.is_some());
        wish.map(Some).ok_or_else(|| {
            Error::new(
                Code::InvalidResponse,
                "The server wants input, but does not say so as the protocol asks",
            )
        })
    }

    /// Answers what the server wants to know, all of it at the same time. `caller` is asked, else the owner of the
    /// connection, and nobody is unless the server may ask all of it.
    pub fn answer(
        &mut self,
        wanted: Option<Questions>,
        client: &Client,
        caller: Option<&Caller>,
    ) -> impl Future<Output = result::Result<InputResponses, Unanswered>> + Send + use<> {
        let mut wanted = wanted.unwrap_or_default();
        let pause = PAUSE * 2_u32.saturating_pow(self.idle);
        self.idle = if wanted.is_empty() { self.idle + 1 } else { 0 };
        let asked = permitted(&mut wanted, client, caller);
        async move {
            let caller = asked?;
            if wanted.is_empty() {
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            }
            let answers = wanted
                .into_iter()
                .map(async |(key, it): (String, Question)| {
                    let request = ServerRequest {
                        // The only id that it has.
                        id: &json!(key).to_string(),
                        method: &it.method,
                        params: it.params,
                    };
                    let answer = caller.reply(request).await?;
                    Ok::<_, Unanswered>((key, answer))
                });
            Ok(try_join_all(answers).await?.into_iter().collect())
        }
    }
}

/// Who answers all of this, where the server may ask it.
fn permitted(
    wanted: &mut Questions,
    client: &Client,
    caller: Option<&Caller>,
) -> result::Result<Caller, ErrorData> {
    if wanted.len() > MAX_QUESTIONS {
        return Err(ErrorData::invalid_request(
            format!("A result may ask at most {MAX_QUESTIONS} things at a time"),
            None,
        ));
    }
    for Question { method, params } in wanted.values_mut() {
        client.permits(method, params)?;
    }
    caller.map_or_else(|| client.owner(), Ok).cloned()
}

/// The parameters of the next round. State that the server gave goes back as it came, and none where it gave none.
pub(super) fn next_params(
    params: Params<'_>,
    answers: &InputResponses,
    state: Option<String>,
) -> Result<Map<String, Value>> {
    let mut params = params.members()?.into_owned();
    let mut set = |name: &str, value: Option<Value>| match value {
        Some(value) => params.insert(name.to_owned(), value),
        None => params.shift_remove(name),
    };
    set(
        "inputResponses",
        (!answers.is_empty()).then(|| json!(answers)),
    );
    set("requestState", state.map(Value::String));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::log::Logger;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    #[test]
    fn only_a_result_that_says_so_asks_for_more() {
        let mut rounds = Rounds::of("tools/call");
        for result in [
            json!({ "content": [] }),
            json!({ "content": [], "resultType": "complete" }),
            json!({ "taskId": "t", "resultType": "task" }),
        ] {
            assert!(rounds.wish(&raw(&result)).unwrap().is_none());
        }
        let asks = json!({ "resultType": "input_required", "requestState": "s" });
        let wish = rounds.wish(&raw(&asks)).unwrap().unwrap();
        assert_eq!(wish.request_state.as_deref(), Some("s"));
        let error = Rounds::of("tools/list").wish(&raw(&asks)).err().unwrap();
        assert_eq!(error.code, Code::InvalidResponse);
        assert!(error.message.contains("input_required"), "{error}");
        let task = raw(&json!({ "taskId": "t", "resultType": "task" }));
        assert!(Rounds::of("prompts/get").wish(&task).is_err());
    }

    #[test]
    fn rounds_come_to_an_end() {
        let mut rounds = Rounds::of("tools/call");
        let asks = raw(&json!({ "resultType": "input_required", "requestState": "s" }));
        for _ in 0..DEFAULT_MRTR_MAX_ROUNDS {
            assert!(rounds.wish(&asks).is_ok());
        }
        let error = rounds.wish(&asks).unwrap_err();
        assert_eq!(error.code, Code::InvalidResponse);
    }

    #[test]
    fn wish_for_nothing_is_invalid() {
        let mut rounds = Rounds::of("tools/call");
        assert!(
            rounds
                .wish(&raw(&json!({ "resultType": "input_required" })))
                .is_err()
        );
    }

    #[test]
    fn state_and_answers_are_of_this_round_only() {
        let arguments = raw(&json!({ "a": 1 }));
        let first = Params::Tool {
            name: "t",
            arguments: Some(&arguments),
        };
        let answers = InputResponses::from([("q".to_owned(), json!({ "action": "accept" }))]);
        let second = next_params(first, &answers, Some("state".to_owned())).unwrap();
        assert_eq!(
            json!(second),
            json!({
                "name": "t", "arguments": { "a": 1 },
                "inputResponses": { "q": { "action": "accept" } }, "requestState": "state",
            })
        );
        let third = next_params(Params::Members(&second), &InputResponses::new(), None).unwrap();
        assert_eq!(
            json!(third),
            json!({ "name": "t", "arguments": { "a": 1 } })
        );
    }

    #[tokio::test]
    async fn a_result_does_not_ask_thousands_of_things() {
        let question = json!({ "method": "roots/list" });
        let wanted = |count: usize| -> Questions {
            let named = (0..count).map(|number| (number.to_string(), question.clone()));
            serde_json::from_value(Value::Object(named.collect())).unwrap()
        };
        let peer = crate::host::Peer {
            server_name: "srv".to_owned(),
            user_id: Some("ada".to_owned()),
            tool_name: None,
        };
        let client = Client {
            owner: Caller { peer, host: None },
            attributes: true,
            profile: Arc::default(),
            extensions: None,
            elicits: true,
            observer: None,
            logger: Logger::silent(),
        };
        let mut rounds = Rounds::of("tools/call");
        let answered = rounds.answer(Some(wanted(MAX_QUESTIONS)), &client, None);
        assert_eq!(answered.await.unwrap().len(), MAX_QUESTIONS);
        let refused = rounds.answer(Some(wanted(MAX_QUESTIONS + 1)), &client, None);
        assert!(refused.await.is_err());
    }
}
