//! From a tool call to its result, by way of a task.

use std::borrow::Cow;
use std::future::pending;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{InputResponses, TaskStatus};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::call::{Running, TaskCall};
use super::following::CANCEL_TIMEOUT;
use super::handle::TaskHandle;
use super::kept::KeptRequest;
use super::state::{SHORTEST_INTERVAL, Task, check_result, invalid};
use super::support::{CANCELLING, TOOL_CALLS, TaskSupport, declares};
use crate::connection::established::Connection;
use crate::connection::failures::{gone, server_error, unanswered};
use crate::connection::generation::Generation;
use crate::connection::options::CallOptions;
use crate::connection::result_type::{COMPLETE, result_type, unknown};
use crate::connection::rounds::Rounds;
use crate::connection::tools::list_tools;
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_error;
use crate::transport::message::{Params, RpcError};

/// A request that is answered when the task has ended.
type Blocked<'a> = BoxFuture<'a, Result<Box<RawValue>>>;

impl Connection {
    /// Calls a tool and returns its result as the server wrote it. Where the server answers with a task, this waits until
    /// the task has ended, as long as `options.deadline` and the task's lifetime allow, each request within the time in
    /// which something must be heard. `call` knows of the task from then on: with it, this goes on with the task.
    ///
    /// # Errors
    /// As requests fail; [`Code::Timeout`] also where the task does not end in time, [`Code::ServerError`] where the
    /// server has ended it without a result.
    pub async fn call_tool(
        &self,
        params: Params<'_>,
        options: &CallOptions,
        call: &mut TaskCall,
    ) -> Result<Box<RawValue>> {
        if call.running.is_none() {
            if let Some(result) = self.begin(params, options, call).await? {
                return Ok(result);
            }
        } else if let Some(guard) = &self.recipe.guard {
            // The result of a tool that is not there is not fetched either.
            Box::pin(self.admitted(guard, params.tool_name("tools/call"), options)).await?;
        }
        let (_following, ending) = self.following.begin();
        let followed = tokio::select! {
            biased;
            outcome = Box::pin(self.follow(options, call)) => Some(outcome),
            // Somebody has disconnected, and means this call, too.
            () = ending.cancelled() => None,
        };
        let error = match followed {
            Some(Ok(result)) => return Ok(result),
            Some(Err(error)) => error,
            None => gone(),
        };
        if let Some(running) = &mut call.running {
            let is_ending = ending.is_cancelled() || self.session.is_closing();
            running.judge(&error, is_ending, options);
        }
        if let Some(task_id) = call.unwanted(&error) {
            Box::pin(self.cancel_task(&task_id, options)).await;
        }
        let headers = options.headers.as_deref();
        let sent = self.recipe.sent_secrets(self.recipe.bearer.get(), headers);
        Err(foreign_error(error, &sent))
    }

    /// Sends the call. `None` where it has become a task.
    async fn begin(
        &self,
        params: Params<'_>,
        options: &CallOptions,
        call: &mut TaskCall,
    ) -> Result<Option<Box<RawValue>>> {
        let asking = match self.name_to_ask_for(params)? {
            Some(name) => {
                let wants_task = call.wants_task();
                Box::pin(self.asking(&name, params, options, wants_task)).await?
            }
            None => None,
        };
        let (answer, is_asked) = match &asking {
            Some((params, options)) => {
                let params = Params::Members(params);
                let asked = Box::pin(self.request("tools/call", params, options));
                (asked.await?, true)
            }
            None => (self.request("tools/call", params, options).await?, false),
        };
        let Some(task) = Task::created(&answer, self.generation, is_asked)? else {
            return Ok(Some(answer));
        };
        let caller = options.caller.as_ref();
        let known_as = caller.and_then(|caller| caller.peer.tool_name.as_deref());
        let tool_name = known_as.map(Cow::Borrowed).or_else(|| tool_name(params));
        let server_name = &self.recipe.server_name;
        let tool_name = tool_name.unwrap_or_default();
        let handle = TaskHandle::new(server_name, &tool_name, &task.id, self.generation);
        let request = asking.and_then(|(_, options)| options.kept);
        call.begin(handle, &task, request);
        Ok(None)
    }

    /// The tool of a call that may have to ask for a task: before 2026-07-28 clients do, and few servers have any.
    fn name_to_ask_for<'a>(&self, params: Params<'a>) -> Result<Option<Cow<'a, str>>> {
        if self.generation != Generation::Initialize {
            return Ok(None);
        }
        check_task(params)?;
        let has_tasks = declares(&*self.described()?, TOOL_CALLS);
        Ok(tool_name(params).filter(|_| has_tasks))
    }

    /// The call as one that asks for a task: for a tool that must run as one, or that may and whose caller wants a handle.
    async fn asking(
        &self,
        name: &str,
        params: Params<'_>,
        options: &CallOptions,
        wants_task: bool,
    ) -> Result<Option<(Map<String, Value>, CallOptions)>> {
        let tools = self.session.task_tools();
        if !tools.is_current(self.tools_changes()) {
            // Where the list cannot be had, the call itself says what is wrong.
            let _ = list_tools(self, options).await;
        }
        match tools.of(name) {
            Some(TaskSupport::Required) => {}
            Some(TaskSupport::Optional) if wants_task => {}
            Some(TaskSupport::Optional) | None => return Ok(None),
        }
        let left = options.deadline.saturating_duration_since(Instant::now());
        let mut members = params.members()?.into_owned();
        let ttl = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        members.insert("task".to_owned(), json!({ "ttl": ttl }));
        let options = CallOptions {
            kept: Some(KeptRequest::default()),
            ..options.clone()
        };
        Ok(Some((members, options)))
    }

    /// Asks how the task is doing until it has ended, and answers what it wants to know meanwhile.
    async fn follow(&self, options: &CallOptions, call: &mut TaskCall) -> Result<Box<RawValue>> {
        let TaskCall {
            running: Some(running),
            answering,
            ..
        } = call
        else {
            return Err(Error::internal());
        };
        running.handle.check(self.generation)?;
        // Before 2026-07-28 this is what brings the task's questions.
        let mut blocked: Option<Blocked<'_>> = None;
        loop {
            let task = tokio::select! {
                biased;
                () = options.cancel.cancelled() => return Err(Error::aborted()),
                () = sleep_until(options.deadline) => return Err(running.given_up(unanswered())),
                result = settled(&mut blocked) => {
                    let result = result?;
                    return checked(running, result);
                }
                answers = settled(answering) => {
                    let answers = answers.map_err(|unanswered| {
                        let client = &self.session.engine().client;
                        running.given_up(client.told("tasks/get", unanswered).into_error())
                    })?;
                    running.unsent.extend(answers);
                    running.is_due_at = Instant::now() + SHORTEST_INTERVAL;
                    continue;
                }
                task = self.look(running, options) => task?,
            };
            match task.status {
                TaskStatus::Working => blocked = None,
                TaskStatus::InputRequired if self.generation == Generation::Initialize => {
                    let params = about(&running.handle.task_id);
                    blocked.get_or_insert_with(|| self.task_result(params, options).boxed());
                }
                TaskStatus::InputRequired => {
                    // One set of questions at a time.
                    let wanted = task.input_requests.filter(|_| answering.is_none());
                    if let Some(news) = running.news(wanted)? {
                        let client = &self.session.engine().client;
                        let caller = options.caller.as_ref();
                        let answers = Rounds::of("tasks/get").answer(Some(news), client, caller);
                        *answering = Some(answers.boxed());
                    }
                }
                TaskStatus::Completed | TaskStatus::Failed => {
                    return self.ended(running, task, options).await;
                }
                TaskStatus::Cancelled => {
                    running.has_ended = true;
                    let why = task
                        .status_message
                        .as_deref()
                        .unwrap_or("it does not say why");
                    let text = format!("The server has cancelled the task: {why}");
                    return Err(Error::new(Code::ServerError, text));
                }
                _ => {
                    return Err(
                        running.given_up(invalid("The task has a status that nobody knows"))
                    );
                }
            }
            running.check_age()?;
        }
    }

    /// How the task is doing, when it is time to ask.
    async fn look(&self, running: &mut Running, options: &CallOptions) -> Result<Task> {
        sleep_until(running.is_due_at).await;
        running.silent_since.get_or_insert_with(Instant::now);
        if !running.unsent.is_empty() {
            let mut params = about(&running.handle.task_id);
            params.insert("inputResponses".to_owned(), json!(running.unsent));
            self.ask_about("tasks/update", &params, options).await?;
            running.unsent = InputResponses::new();
        }
        let params = about(&running.handle.task_id);
        let answer = self.ask_about("tasks/get", &params, options).await?;
        let task = Task::read(&answer);
        let task = task.map_err(|error| running.given_up(error))?;
        if task.id != running.handle.task_id {
            return Err(running.given_up(invalid("The server told of another task")));
        }
        let progress = options.progress.as_ref();
        running.note(&task, progress.and_then(|it| it.sink.as_ref()));
        Ok(task)
    }

    /// A request that belongs to the task, in the time in which something must be heard.
    async fn ask_about(
        &self,
        method: &str,
        params: &Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let options = CallOptions {
            deadline: options.due(),
            progress: None,
            ..options.clone()
        };
        self.request(method, Params::Members(params), &options)
            .await
    }

    /// What the server answers when the task has ended. Its questions come meanwhile, and the task is asked after, so that
    /// nothing but the call bounds it.
    async fn task_result(
        &self,
        params: Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let options = CallOptions {
            progress: None,
            ..options.clone()
        };
        self.request("tasks/result", Params::Members(&params), &options)
            .await
    }

    /// The result of a task that has ended, exactly as the tool would have answered at once.
    async fn ended(
        &self,
        running: &mut Running,
        task: Task,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        running.has_ended = true;
        if self.generation == Generation::Initialize {
            let params = about(&running.handle.task_id);
            let result = self.ask_about("tasks/result", &params, options).await;
            return match result {
                Ok(result) => checked(running, result),
                // Many servers have no result of what has failed, and say so in place of why it has.
                Err(mut error) if task.status == TaskStatus::Failed => {
                    if let Some(why) = task.status_message {
                        error.message = format!("{} ({why})", error.message);
                    }
                    Err(error)
                }
                Err(error) => Err(error),
            };
        }
        match (task.status, task.result, task.error) {
            (TaskStatus::Completed, Some(result), _) => match result_type("tasks/get", &result)? {
                COMPLETE => Ok(result),
                other => Err(unknown("tasks/get", other)),
            },
            (TaskStatus::Failed, _, Some(error)) => Err(server_error(&RpcError::of(&error))),
            _ => Err(invalid("The task has ended without a result")),
        }
    }

    /// Tells the server that nobody waits for the task any more.
    async fn cancel_task(&self, task_id: &str, options: &CallOptions) {
        let Ok(described) = self.described() else {
            return;
        };
        if self.generation == Generation::Initialize && !declares(&described, CANCELLING) {
            return;
        }
        let options = CallOptions {
            headers: options.headers.clone(),
            ..CallOptions::new(Instant::now() + CANCEL_TIMEOUT, CancellationToken::new())
        };
        let params = about(task_id);
        let _ = self
            .request("tasks/cancel", Params::Members(&params), &options)
            .await;
    }
}

fn checked(running: &Running, result: Box<RawValue>) -> Result<Box<RawValue>> {
    check_result(&result, &running.handle.task_id).map(|()| result)
}

/// The outcome of what goes on, which is over then. Waits for ever where nothing does.
async fn settled<T>(going_on: &mut Option<BoxFuture<'_, T>>) -> T {
    let outcome = match going_on {
        Some(work) => work.await,
        None => pending().await,
    };
    *going_on = None;
    outcome
}

fn about(task_id: &str) -> Map<String, Value> {
    Map::from_iter([("taskId".to_owned(), Value::from(task_id))])
}

/// `TaskMetadata` is an object: a server may take anything else for a task that is wanted, or for none.
fn check_task(params: Params<'_>) -> Result<()> {
    match params {
        Params::Members(members) if members.get("task").is_some_and(|task| !task.is_object()) => {
            let message = "`task` of a tool call must be an object";
            Err(Error::new(Code::InvalidArgument, message))
        }
        _ => Ok(()),
    }
}

fn tool_name(params: Params<'_>) -> Option<Cow<'_, str>> {
    match params {
        Params::Tool { name, .. } => Some(Cow::Borrowed(name)),
        // Who asks for a task by hand wants its handle as the server gives it.
        Params::Members(members) if members.contains_key("task") => None,
        Params::Members(members) => members.get("name")?.as_str().map(Cow::Borrowed),
        Params::None => None,
    }
}
