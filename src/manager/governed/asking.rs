//! What the host is asked about a call: whether it is made, and what is given of its result.

use std::sync::Arc;

use serde_json::Map;
use serde_json::value::{RawValue, to_raw_value};

use super::Governed;
use super::watched::{ARGUMENTS, arguments_of};
use crate::connection::{CallOptions, Params};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_words};
use crate::governance::{Decision, Rule};
use crate::host::{AboutCall, CallInQuestion, ResultInQuestion, ToolHooks, Verdict, tenant_of};
use crate::manager::is_tool_error;
use crate::nesting::{self, MAX_NESTING};

impl Governed<'_> {
    /// Asks the host about the call.
    pub(super) async fn ask(
        &mut self,
        hooks: &Arc<dyn ToolHooks>,
        params: Params<'_>,
        is_resumed: bool,
        options: &CallOptions,
    ) -> Result<()> {
        let arguments = match arguments_of(params)? {
            _ if is_resumed => None,
            Some(arguments) => Some(arguments.into_owned()),
            None => Some(to_raw_value(&Map::new()).map_err(|_| Error::internal())?),
        };
        let about = self.about(Rule::OnToolCall, options).await?;
        let question = CallInQuestion { about, arguments };
        let verdict = self.verdict(Rule::OnToolCall, hooks.judge_call(question), options);
        let Verdict {
            instead, weight, ..
        } = verdict.await?;
        if is_resumed && instead.is_some() {
            self.decided(Decision::Refused, Rule::OnToolCall);
            let message = "The host callback onToolCall gave arguments for a task that has them";
            return Err(Error::new(Code::HostError, message));
        }
        let Some(watched) = &mut self.watched else {
            return Ok(());
        };
        watched.weight = weight;
        if let Some(arguments) = instead {
            if !matches!(params, Params::Tool { .. }) {
                let mut members = params.members()?.into_owned();
                let parsed = nesting::parse(arguments.get(), MAX_NESTING);
                members.insert(ARGUMENTS.to_owned(), parsed.map_err(|_| Error::internal())?);
                watched.members = Some(members);
            }
            watched.arguments = Some(arguments);
            self.decided(Decision::Rewritten, Rule::OnToolCall);
        }
        Ok(())
    }

    /// Asks the host about the result.
    pub(super) async fn show(
        &mut self,
        hooks: &Arc<dyn ToolHooks>,
        answer: Box<RawValue>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let about = self.about(Rule::OnToolResult, options).await?;
        let question = ResultInQuestion {
            about,
            is_error: is_tool_error(&answer),
            result: answer.clone(),
        };
        let verdict = self.verdict(Rule::OnToolResult, hooks.judge_result(question), options);
        let Some(result) = verdict.await?.instead else {
            return Ok(answer);
        };
        self.decided(Decision::Rewritten, Rule::OnToolResult);
        Ok(result)
    }

    /// Which call it is, for a hook.
    async fn about(&mut self, rule: Rule, options: &CallOptions) -> Result<AboutCall> {
        if self.watched.as_ref().is_some_and(|it| !it.knows_tenant) {
            let asked = tenant_of(self.host.tenancy.as_deref());
            let tenant_id = self.answered(rule, asked, options).await?;
            if let Some(watched) = &mut self.watched {
                watched.tenant_id = tenant_id;
                watched.knows_tenant = true;
            }
        }
        let watched = self.watched.as_ref().ok_or_else(Error::internal)?;
        Ok(AboutCall {
            call_id: watched.call_id.clone(),
            server_name: self.subject.server_name.to_owned(),
            tool_name: watched.tool_name.clone().unwrap_or_default(),
            user_id: self.subject.user_id.map(str::to_owned),
            tenant_id: watched.tenant_id.clone(),
        })
    }

    /// What a hook says, a refusal being an error.
    async fn verdict(
        &mut self,
        rule: Rule,
        asked: impl Future<Output = Result<Verdict>>,
        options: &CallOptions,
    ) -> Result<Verdict> {
        let verdict = self.answered(rule, asked, options).await?;
        let Some(why) = &verdict.refusal else {
            return Ok(verdict);
        };
        self.decided(Decision::Refused, rule);
        let what = match rule {
            Rule::OnToolResult => "result of the call",
            _ => "call",
        };
        let why = foreign_words(why, &SentSecrets::default());
        let message = format!("The host refused the {what}: {why}");
        Err(Error::new(Code::CallRefused, message))
    }

    /// What the host answers within the call's time. Where it fails, the call does.
    async fn answered<T>(
        &mut self,
        rule: Rule,
        asked: impl Future<Output = Result<T>>,
        options: &CallOptions,
    ) -> Result<T> {
        let late = || {
            let name = rule.as_str();
            let message =
                format!("The host callback {name} did not settle within the time of the call");
            Error::new(Code::HostTimeout, message)
        };
        let answer = options.bound_by(asked, late).await;
        if answer
            .as_ref()
            .is_err_and(|error| error.code != Code::Aborted)
        {
            self.decided(Decision::Refused, rule);
        }
        answer
    }
}
