//! A tool call as operators decide on it: whether it is made, when, and what is given of its result.

mod asking;
mod by_hand;
mod limited;
mod watched;

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::limited::Limited;
pub use self::watched::Subject;
use self::watched::{AskedByHand, TOOL_CALL, Watched};
use super::state::Manager;
use crate::connection::{CallOptions, Connection, Params, TaskCall};
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_text;
use crate::governance::{Decision, Rule};
use crate::host::Host;
use crate::server_config::ToolRules;
use crate::telemetry::{OK, TOOL_ERROR};

/// Why a call was not sent, though its connection was there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// An operator does not want it to be made, now or at all.
    Refused,
    /// Its connection has gone while it waited for its turn.
    Outlived,
}

/// One tool call, from its first decision to its line in the audit.
pub struct Governed<'a> {
    manager: &'a Manager,
    host: &'a Host,
    subject: Subject<'a>,
    rules: Option<Arc<ToolRules>>,
    is_admitted: bool,
    not_sent: Option<NotSent>,
    limited: Limited,
    /// Where the request is none of `tools/call`.
    by_hand: Option<AskedByHand<'a>>,
    /// The server has answered with a task, which the caller asks about by hand.
    is_handle: bool,
    /// The runtime is closed when the audit has been told.
    told_before_end: Option<TaskTrackerToken>,
    /// Absent where nobody is asked about calls, and nobody keeps an audit.
    watched: Option<Box<Watched>>,
}

impl<'a> Governed<'a> {
    /// `None` for a request that has nothing to do with a call of a tool.
    #[must_use]
    pub fn of(
        manager: &'a Manager,
        host: &'a Host,
        (method, mut subject): (&str, Subject<'a>),
    ) -> Option<Self> {
        let by_hand = match method {
            TOOL_CALL => None,
            _ => Some(AskedByHand::of(method, &mut subject)?),
        };
        let is_watched = host.tool_hooks.is_some() || host.audit.is_some();
        let audits = || manager.0.audits.token();
        Some(Self {
            manager,
            host,
            subject,
            by_hand,
            is_handle: false,
            told_before_end: host.audit.as_ref().map(|_| audits()),
            rules: None,
            is_admitted: false,
            not_sent: None,
            limited: Limited::default(),
            watched: is_watched.then(Watched::begin),
        })
    }

    /// The rules are known from when the server is, and what tells it from others of its name.
    pub fn stands_under(&mut self, rules: Option<Arc<ToolRules>>, identity: Option<String>) {
        self.rules = rules;
        self.limited.identity = identity;
    }

    /// Why the call was not sent, said once.
    pub const fn not_sent(&mut self) -> Option<NotSent> {
        self.not_sent.take()
    }

    /// How much of the user's share of the server the call takes.
    fn weight(&self) -> f64 {
        let watched = self.watched.as_ref();
        watched.and_then(|watched| watched.weight).unwrap_or(1.0)
    }

    /// Makes the call, where and when it is to be made. It may be made again, over another connection.
    pub async fn call(
        &mut self,
        params: Params<'_>,
        connection: &Connection,
        task: &mut TaskCall,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if let Some(asked) = self.by_hand {
            return Box::pin(self.fetch(asked, params, connection, options)).await;
        }
        let is_resumed = task.is_running();
        if !self.is_admitted {
            self.admit(params, connection, is_resumed, options).await?;
            self.is_admitted = true;
        }
        // A task that runs holds its place already, and none where another call has begun it.
        if self.limited.turn.is_none() && !is_resumed {
            let entered = self.wait_for_turn(options).await;
            self.not_sent = entered.is_err().then_some(NotSent::Refused);
            entered?;
            // What is closed sends nothing, and says why it has ended.
            let is_outlived = self.limited.turn.is_some() && connection.is_closed();
            self.not_sent = is_outlived.then_some(NotSent::Outlived);
        }
        let watched = self.watched.as_deref();
        let sent = watched.map_or(params, |watched| watched.params(params));
        let answer = connection.call_tool(sent, options, task).await;
        if let Ok(answer) = &answer {
            self.is_handle = self.remember_task(params, answer);
        }
        // Whoever is asked to log in before the call is made again holds no place meanwhile.
        if answer.is_ok() || !task.is_running() {
            self.limited.turn = None;
        }
        answer
    }

    /// Decides whether the call is made, and with which arguments.
    async fn admit(
        &mut self,
        params: Params<'_>,
        connection: &Connection,
        is_resumed: bool,
        options: &CallOptions,
    ) -> Result<()> {
        let hooks = self.host.tool_hooks.as_ref();
        let hooks = hooks.filter(|hooks| hooks.judges_calls());
        let tool = params.tool_name(TOOL_CALL).unwrap_or_default();
        if let Some(watched) = &mut self.watched {
            watched.tool_name = Some(tool.to_owned());
            watched.shown_name = self.host.audit.as_ref().map(|_| {
                let sent = connection.recipe.sent_secrets(None, None);
                foreign_text(tool, &sent)
            });
        }
        // Hooks hear of no tool that is not there, no call of one waits, and a task that is gone on with is not called again.
        if let Some(guard) = &connection.recipe.guard {
            let tool = params.tool_name(TOOL_CALL);
            let admitted = Box::pin(connection.admitted(guard, tool, options)).await;
            admitted.map_err(|error| {
                let is_decided = matches!(error.code, Code::ToolDenied | Code::ToolNotApproved);
                self.not_sent = is_decided.then_some(NotSent::Refused);
                // Another token may help where the tools could not be listed for want of one.
                error.refusal().cloned().unwrap_or(error)
            })?;
        }
        let Some(hooks) = hooks else {
            return Ok(());
        };
        let asked = Box::pin(self.ask(hooks, params, is_resumed, options)).await;
        self.not_sent = asked.is_err().then_some(NotSent::Refused);
        asked
    }

    async fn wait_for_turn(&mut self, options: &CallOptions) -> Result<()> {
        let Some(limits) = self.rules.as_ref().and_then(|rules| rules.limits.as_ref()) else {
            return Ok(());
        };
        let (runtime, weight) = ((self.manager, self.host), self.weight());
        let entered = self
            .limited
            .enter(runtime, limits, self.subject, weight, options);
        // Boxed, because most servers have no limits.
        let waited = match Box::pin(entered).await {
            Ok(waited) => waited,
            Err(error) => {
                if error.code == Code::RateLimited {
                    self.decided(Decision::Refused, Rule::Limits);
                }
                return Err(error);
            }
        };
        if let Some(watched) = &mut self.watched {
            watched.waited += waited;
        }
        Ok(())
    }

    /// What is given of the server's answer.
    pub async fn result(
        &mut self,
        answer: Box<RawValue>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if self.by_hand.is_some() {
            return Ok(answer);
        }
        if let Some(watched) = &mut self.watched {
            watched.result_bytes = Some(answer.get().len());
        }
        self.judge(answer, self.subject, options).await
    }

    async fn judge(
        &mut self,
        answer: Box<RawValue>,
        subject: Subject<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let hooks = self.host.tool_hooks.as_ref();
        let hooks = hooks.filter(|hooks| hooks.judges_results() && !self.is_handle);
        let answer = match hooks {
            Some(hooks) => Box::pin(self.show(hooks, answer, options)).await?,
            None => answer,
        };
        let Some(rules) = &self.rules else {
            return Ok(answer);
        };
        let cut = self.manager.cut_result(&answer, rules, &subject)?;
        if cut.is_some() {
            self.decided(Decision::Rewritten, Rule::MaxResultBytes);
        }
        Ok(cut.unwrap_or(answer))
    }

    /// Tells whoever keeps the audit, before the caller hears of the outcome. A tool may have answered with an error of its
    /// own.
    pub async fn end(self, error: Option<&Error>, is_tool_error: bool) {
        // Whoever asks how a task is doing calls nothing.
        let is_call = |it: &Watched| self.by_hand.is_none() || it.result_bytes.is_some();
        let watched = self.watched.filter(|it| is_call(it));
        if let (Some(audit), Some(watched)) = (&self.host.audit, watched) {
            let outcome = match error {
                Some(error) => error.code.as_str(),
                None if is_tool_error => TOOL_ERROR,
                None => OK,
            };
            let tenancy = self.host.tenancy.as_deref();
            let record = Box::pin(watched.record(self.subject, tenancy, outcome));
            audit.keep(record.await).await;
        }
        drop(self.told_before_end);
    }

    /// Has the audit say what was decided, and by which rule.
    fn decided(&mut self, decision: Decision, rule: Rule) {
        if let Some(watched) = &mut self.watched {
            watched.decision = decision;
            watched.rule = Some(rule);
        }
    }
}
