//! Multi-round-trip requests (MCP 2026-07-28): a server that needs something first answers with what it wants to know,
//! and is asked again with the answers.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::try_join_all;
use indexmap::IndexMap;
use rmcp::model::{DEFAULT_MRTR_MAX_ROUNDS, ErrorData, InputResponses, ResultType};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::caller::{Caller, Unanswered};
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

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "resultType", borrow)]
    result_type: Option<Cow<'a, str>>,
}

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

/// The rounds of one request.
#[derive(Default)]
pub(super) struct Rounds {
    count: usize,
    /// Rounds in a row in which the server wanted to know nothing.
    idle: u32,
}

impl Rounds {
    /// For a request that may take more than one.
    pub fn of(method: &str) -> Option<Self> {
        METHODS.contains(&method).then(Self::default)
    }

    /// What the server wants before it answers; `None` when it has answered.
    ///
    /// Fails with [`Code::InvalidResponse`] when the server never comes to an end.
    pub fn wish(&mut self, result: &RawValue) -> Result<Option<Wish>> {
        let kind: Option<Kind<'_>> = serde_json::from_str(result.get()).ok();
        let kind = kind.and_then(|kind| kind.result_type);
        if kind.as_deref() != Some(ResultType::INPUT_REQUIRED.as_str()) {
            return Ok(None);
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

    /// Answers what the server wants to know, all of it at the same time.
    pub async fn answer(
        &mut self,
        wanted: Option<Questions>,
        caller: &Caller,
    ) -> std::result::Result<InputResponses, Unanswered> {
        let wanted = wanted.unwrap_or_default();
        if wanted.is_empty() {
            let pause = PAUSE * 2_u32.saturating_pow(self.idle);
            self.idle += 1;
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            return Ok(InputResponses::new());
        }
        self.idle = 0;
        if wanted.len() > MAX_QUESTIONS {
            return Err(ErrorData::invalid_request(
                format!("A result may ask at most {MAX_QUESTIONS} things at a time"),
                None,
            )
            .into());
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
    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    #[test]
    fn only_a_result_that_says_so_asks_for_more() {
        let mut rounds = Rounds::of("tools/call").unwrap();
        for result in [
            json!({ "content": [] }),
            json!({ "content": [], "resultType": "complete" }),
            json!({ "content": [], "resultType": 7 }),
        ] {
            assert!(rounds.wish(&raw(&result)).unwrap().is_none());
        }
        let asks = json!({ "resultType": "input_required", "requestState": "s" });
        let wish = rounds.wish(&raw(&asks)).unwrap().unwrap();
        assert_eq!(wish.request_state.as_deref(), Some("s"));
        assert!(Rounds::of("tools/list").is_none());
    }

    #[test]
    fn rounds_come_to_an_end() {
        let mut rounds = Rounds::of("tools/call").unwrap();
        let asks = raw(&json!({ "resultType": "input_required", "requestState": "s" }));
        for _ in 0..DEFAULT_MRTR_MAX_ROUNDS {
            assert!(rounds.wish(&asks).is_ok());
        }
        let error = rounds.wish(&asks).unwrap_err();
        assert_eq!(error.code, Code::InvalidResponse);
    }

    #[test]
    fn wish_for_nothing_is_invalid() {
        let mut rounds = Rounds::of("tools/call").unwrap();
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
            user_id: None,
            tool_name: None,
        };
        let caller = Caller { peer, host: None };
        let mut rounds = Rounds::of("tools/call").unwrap();
        let answered = rounds.answer(Some(wanted(MAX_QUESTIONS)), &caller).await;
        assert_eq!(answered.unwrap().len(), MAX_QUESTIONS);
        let refused = rounds
            .answer(Some(wanted(MAX_QUESTIONS + 1)), &caller)
            .await;
        assert!(refused.is_err());
    }
}
