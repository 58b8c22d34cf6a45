//! `onToolCall` and `onToolResult`: what the host says about calls of tools, and about their results.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::server_requests::Handling;
use crate::error::{Code, Result};
use crate::host::{AboutCall, CallInQuestion, ResultInQuestion, ToolHooks, Verdict};
use crate::nesting::{self, MAX_NESTING};
use crate::node::engine::{JsRef, JsResult, Present, Scope, Type, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::from_js::wrong_answer;
use crate::node::marshal::to_js::{JsonText, WithMembers};

/// A hook, and what it may answer.
struct Hook {
    name: &'static str,
    /// The member that has what goes in place.
    instead: &'static str,
    /// What else it may say.
    weighs: bool,
    expected: &'static str,
}

const ON_TOOL_CALL: Hook = Hook {
    name: "onToolCall",
    instead: "arguments",
    weighs: true,
    expected: "nothing, true, { refuse: text }, or { arguments?: object, weight?: 0.1 to 10 }",
};
const ON_TOOL_RESULT: Hook = Hook {
    name: "onToolResult",
    instead: "result",
    weighs: false,
    expected: "nothing, true, { refuse: text }, or { result: a CallToolResult }",
};

/// The host's hooks, in the context of a call.
struct NodeHooks {
    context: Arc<CallContext>,
    /// As the caller gave it.
    user: Option<Arc<JsRef>>,
    judges_calls: bool,
    judges_results: bool,
}

/// `None` where the host has none.
pub fn of<'env>(
    context: &Arc<CallContext>,
    user: Option<Value<'env>>,
    present: Present,
) -> JsResult<'env, Option<Arc<dyn ToolHooks>>> {
    let judges_calls = present.has(ON_TOOL_CALL.name);
    let judges_results = present.has(ON_TOOL_RESULT.name);
    if !judges_calls && !judges_results {
        return Ok(None);
    }
    Ok(Some(Arc::new(NodeHooks {
        context: Arc::clone(context),
        user: context.keep_present(user.filter(|_| judges_calls))?,
        judges_calls,
        judges_results,
    })))
}

#[async_trait]
impl ToolHooks for NodeHooks {
    fn judges_calls(&self) -> bool {
        self.judges_calls
    }

    fn judges_results(&self) -> bool {
        self.judges_results
    }

    async fn judge_call(&self, call: CallInQuestion) -> Result<Verdict> {
        let user = self.user.clone();
        let is_resumed = call.arguments.is_none();
        let verdict = self.ask(&ON_TOOL_CALL, call.about, move |question| {
            let arguments = call.arguments.as_ref().map(|it| JsonText(it.get()));
            question
                .optional("arguments", arguments)?
                .optional("user", user)?
                .optional("resumed", is_resumed.then_some(true))
        });
        verdict.await
    }

    async fn judge_result(&self, result: ResultInQuestion) -> Result<Verdict> {
        let ResultInQuestion {
            about,
            is_error,
            result,
        } = result;
        let verdict = self.ask(&ON_TOOL_RESULT, about, move |question| {
            let bytes = i64::try_from(result.get().len()).unwrap_or(i64::MAX);
            question
                .with("isError", is_error)?
                .with("bytes", bytes)?
                .with("result", JsonText(result.get()))
        });
        verdict.await
    }
}

impl NodeHooks {
    /// Calls the hook with what it is about and what `complete` adds. Its `signal` is aborted when nobody waits any more.
    async fn ask(
        &self,
        hook: &'static Hook,
        about: AboutCall,
        complete: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env> + Send + 'static,
    ) -> Result<Verdict> {
        let mut handling = Handling::new(&self.context);
        let begin = handling.beginning();
        let asked = Callback::<(), ()>::new(hook.name, STORE_TIMEOUT).call_with(
            &self.context,
            move |context, scope| {
                let question = complete(question_of(scope, &about)?)?;
                question.set("signal", begin(context, scope)?)?;
                let host = context.host(scope);
                context.apply(host.get(hook.name)?, host, &[question])
            },
            move |_, answer| hook.verdict(answer),
        );
        let verdict = asked.await;
        handling.has_answered = !matches!(&verdict, Err(error) if error.code == Code::HostTimeout);
        verdict
    }
}

fn question_of<'env>(scope: Scope<'env>, about: &AboutCall) -> JsResult<'env> {
    scope
        .object()?
        .with("callId", &about.call_id)?
        .with("serverName", &about.server_name)?
        .with("toolName", &about.tool_name)?
        .with("userId", &about.user_id)?
        .optional("tenantId", about.tenant_id.as_ref())
}

impl Hook {
    /// Whatever is not understood fails: nobody is to be let through by a typing error.
    fn verdict<'env>(&self, answer: Value<'env>) -> JsResult<'env, Verdict> {
        let nonsense = || wrong_answer(answer, self.name, self.expected);
        let mut verdict = Verdict::default();
        if answer.present().is_none() || answer.as_bool() == Some(true) {
            return Ok(verdict);
        }
        if answer.kind() != Type::Object {
            return Err(nonsense());
        }
        for name in answer.keys()? {
            let member = answer.get(&name)?;
            if member.is_undefined() {
                continue;
            }
            match name.as_str() {
                "refuse" => verdict.refusal = member.as_string().filter(|text| !text.is_empty()),
                "weight" if self.weighs => {
                    let weight = member.as_number();
                    verdict.weight = weight.filter(|weight| (0.1..=10.0).contains(weight));
                }
                name if name == self.instead => {
                    let text = member.to_exact_text(&format!("{}: {name}", self.name))?;
                    verdict.instead = text.filter(|text| self.may_go_in_place(text));
                }
                _ => return Err(nonsense()),
            }
            let is_read = match name.as_str() {
                "refuse" => verdict.refusal.is_some(),
                "weight" => verdict.weight.is_some(),
                _ => verdict.instead.is_some(),
            };
            if !is_read {
                return Err(nonsense());
            }
        }
        let goes_on = verdict.instead.is_some() || verdict.weight.is_some();
        if verdict.refusal.is_some() == goes_on {
            return Err(nonsense());
        }
        Ok(verdict)
    }

    fn may_go_in_place(&self, text: &RawValue) -> bool {
        let text = text.get();
        text.starts_with('{') && (self.weighs || is_tool_result(text))
    }
}

/// Whether callers can read it as one (MCP, `CallToolResult`).
fn is_tool_result(text: &str) -> bool {
    let Ok(result) = nesting::parse::<Json>(text, MAX_NESTING) else {
        return false;
    };
    let content = result["content"].as_array();
    let are_blocks = content.is_some_and(|content| content.iter().all(|it| it["type"].is_string()));
    let is_boolean = |it: &Json| it.is_boolean();
    let is_object = |it: &Json| it.is_object();
    are_blocks
        && result.get("isError").is_none_or(is_boolean)
        && result.get("_meta").is_none_or(is_object)
}
