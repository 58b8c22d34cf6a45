//! Tasks that callers ask about by hand: what a call has led to is its result, whoever fetches it.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::watched::{AskedByHand, Subject, TASK_RESULT};
use super::{Governed, NotSent};
use crate::connection::{CallOptions, Connection, Params};
use crate::error::{Code, Error, Result};
use crate::nesting::{self, MAX_NESTING};

const RESULT: &str = "result";
/// A longer id is not remembered.
const LONGEST_ID: usize = 1024;

impl Governed<'_> {
    /// Makes a request about a task. A result in its answer stands under the rules of the tool that it is of.
    pub(super) async fn fetch(
        &mut self,
        asked: AskedByHand<'_>,
        params: Params<'_>,
        connection: &Connection,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let answer = connection.request(asked.method, params, options).await?;
        let is_free = self.rules.is_none() && self.watched.is_none();
        if is_free && connection.recipe.guard.is_none() {
            return Ok(answer);
        }
        if asked.method == TASK_RESULT {
            return self.fetched(asked, answer, connection, options).await;
        }
        let mut status = nesting::parse::<Value>(answer.get(), MAX_NESTING).map_err(|_| {
            let message = "The server tells of a task otherwise than the protocol has it";
            Error::new(Code::InvalidResponse, message)
        })?;
        let Some(result) = status.get_mut(RESULT).filter(|result| !result.is_null()) else {
            return Ok(answer);
        };
        let whole = to_raw_value(result).map_err(|_| Error::internal())?;
        let given = self.fetched(asked, whole, connection, options).await?;
        *result = nesting::parse(given.get(), MAX_NESTING).map_err(|_| Error::internal())?;
        to_raw_value(&status).map_err(|_| Error::internal())
    }

    async fn fetched(
        &mut self,
        asked: AskedByHand<'_>,
        answer: Box<RawValue>,
        connection: &Connection,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if let Some(watched) = &mut self.watched {
            watched.result_bytes = Some(answer.get().len());
        }
        let of_task = key(&self.subject, asked.task_id);
        let tool = self.manager.0.task_tools.get(&of_task);
        if tool.is_none() && self.host.tool_hooks.is_some() {
            self.not_sent = Some(NotSent::Refused);
            let message = "Nobody knows here which tool the task is of, so its result is not given";
            return Err(Error::new(Code::ToolDenied, message));
        }
        let params = tool.as_deref().map_or(Params::None, |name| Params::Tool {
            name,
            arguments: None,
        });
        self.admit(params, connection, true, options).await?;
        let subject = Subject {
            params,
            ..self.subject
        };
        let given = self.judge(answer, subject, options).await;
        self.not_sent = given.is_err().then_some(NotSent::Refused);
        given
    }

    /// Remembers which tool a task is of, where `answer` is the handle of one that the caller has asked for. Whether it is
    /// that and nothing else.
    pub(super) fn remember_task(&self, params: Params<'_>, answer: &RawValue) -> bool {
        let members = match params {
            Params::Members(members) if members.contains_key("task") => members,
            _ => return false,
        };
        let Ok(handle) = nesting::parse::<Value>(answer.get(), MAX_NESTING) else {
            return false;
        };
        let task_id = handle.get("task").and_then(|task| task.get("taskId"));
        let named = members.get("name").and_then(Value::as_str);
        let (Some(task_id), Some(tool)) = (task_id.and_then(Value::as_str), named) else {
            return false;
        };
        if task_id.len() > LONGEST_ID || tool.len() > LONGEST_ID {
            return false;
        }
        let tools = &self.manager.0.task_tools;
        tools.insert(key(&self.subject, task_id), tool.to_owned());
        let mut keys = handle.as_object().into_iter().flat_map(|it| it.keys());
        keys.all(|name| matches!(name.as_str(), "task" | "_meta"))
    }
}

fn key(subject: &Subject<'_>, task_id: &str) -> String {
    format!("{:?}", (subject.user_id, subject.server_name, task_id))
}
