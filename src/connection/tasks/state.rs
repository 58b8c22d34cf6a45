//! What a server says of a task, in the words of both generations.

use std::time::Duration;

use rmcp::model::TaskStatus;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::handle::is_usable_id;
use crate::connection::generation::Generation;
use crate::connection::result_type::{TASK, result_type};
use crate::connection::rounds::Questions;
use crate::error::{Code, Error, Result};
use crate::nesting::{self, MAX_NESTING};

/// How often a server is asked that does not say how often it wants to be.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// A server that wants to be asked more often, or less often, is asked as often as this.
pub(super) const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);
/// In every text that tells of a task, and in few others.
const MARK: &str = "taskId";
/// Says which task a result is of (MCP 2025-11-25, chapter "Tasks").
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// A task as `tasks/get` tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    #[serde(rename = "taskId")]
    pub id: String,
    pub status: TaskStatus,
    pub status_message: Option<String>,
    #[serde(default)]
    ttl: Value,
    #[serde(default)]
    ttl_ms: Value,
    #[serde(default)]
    poll_interval: Value,
    #[serde(default)]
    poll_interval_ms: Value,
    /// Of one that is completed, since 2026-07-28.
    pub result: Option<Box<RawValue>>,
    /// Of one that has failed, since 2026-07-28.
    pub error: Option<Box<RawValue>>,
    /// What the server wants to know, since 2026-07-28.
    pub input_requests: Option<Questions>,
}

impl Task {
    /// The task that a call was answered with; `None` for a result. `is_asked`: the call asked for one, as calls did before
    /// 2026-07-28.
    pub fn created(
        answer: &RawValue,
        generation: Generation,
        is_asked: bool,
    ) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Created {
            task: Option<Box<RawValue>>,
        }
        match generation {
            Generation::Discover => {
                let is_task =
                    answer.get().contains(TASK) && result_type("tools/call", answer)? == TASK;
                is_task.then(|| Self::read(answer)).transpose()
            }
            Generation::Initialize if is_asked && answer.get().contains(MARK) => {
                let task = parse::<Created>(answer)?.task;
                task.map(|task| Self::read(&task)).transpose()
            }
            Generation::Initialize => Ok(None),
        }
    }

    pub fn read(answer: &RawValue) -> Result<Self> {
        let task: Self = parse(answer)?;
        if !is_usable_id(&task.id) {
            return Err(invalid("The server gave a task an id that cannot be used"));
        }
        Ok(task)
    }

    /// How long to wait before asking again.
    pub fn interval(&self) -> Duration {
        let said = millis(&self.poll_interval_ms).or_else(|| millis(&self.poll_interval));
        said.map_or(INTERVAL, |said| {
            said.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
        })
    }

    /// How long after its creation the server keeps it; `None` for one that it keeps as long as it wants.
    pub fn ttl(&self) -> Option<Duration> {
        millis(&self.ttl_ms).or_else(|| millis(&self.ttl))
    }
}

/// Fails for a result that is of another task.
pub(super) fn check_result(result: &RawValue, task_id: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Related {
        #[serde(rename = "_meta", default)]
        meta: Value,
    }
    if !result.get().contains(RELATED_TASK) {
        return Ok(());
    }
    let Related { meta } = parse(result)?;
    let related = meta.get(RELATED_TASK).and_then(|task| task.get(MARK));
    if related.is_none_or(|related| related == task_id) {
        return Ok(());
    }
    Err(invalid("The server sent the result of another task"))
}

fn parse<T: DeserializeOwned>(text: &RawValue) -> Result<T> {
    nesting::parse(text.get(), MAX_NESTING)
        .map_err(|_| invalid("The server tells of a task otherwise than the protocol has it"))
}

pub(super) fn invalid(message: &str) -> Error {
    Error::new(Code::InvalidResponse, message)
}

/// `None` for what is no time.
fn millis(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()? / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn task(members: &[(&str, Value)]) -> Task {
        let mut task = json!({ "taskId": "t", "status": "working" });
        for (name, value) in members {
            task[*name] = value.clone();
        }
        Task::read(&raw(&task)).unwrap()
    }

    #[test]
    fn nobody_is_asked_without_end_or_hardly_ever() {
        for (said, milliseconds) in [
            (json!(0), 100),
            (json!(-5), 1000),
            (json!(5000), 5000),
            (json!(1e300), 1000),
            (json!(86_400_000), 60_000),
            (json!("soon"), 1000),
            (Value::Null, 1000),
        ] {
            for name in ["pollInterval", "pollIntervalMs"] {
                let interval = task(&[(name, said.clone())]).interval();
                assert_eq!(interval, Duration::from_millis(milliseconds), "{said}");
            }
        }
    }

    #[test]
    fn a_lifetime_is_a_number_of_milliseconds_or_none() {
        let ttl = |name, value| task(&[(name, value)]).ttl();
        assert_eq!(ttl("ttlMs", json!(60_000)), Some(Duration::from_mins(1)));
        assert_eq!(ttl("ttl", json!(0)), Some(Duration::ZERO));
        for value in [Value::Null, json!(-1), json!("1"), json!(1e300)] {
            assert_eq!(ttl("ttlMs", value), None);
        }
    }

    #[test]
    fn only_what_says_so_is_a_task() {
        use Generation::{Discover, Initialize};
        let task = json!({ "taskId": "t", "status": "working" });
        let mut modern = task.clone();
        modern["resultType"] = json!("task");
        let wrapped = json!({ "task": task });
        let told = json!({ "content": [{ "type": "text", "text": "taskId" }] });
        let is_task = |answer, generation, is_asked| {
            Task::created(&raw(answer), generation, is_asked)
                .unwrap()
                .is_some()
        };
        assert!(is_task(&modern, Discover, false));
        assert!(is_task(&wrapped, Initialize, true));
        for (answer, generation, is_asked) in [
            (&task, Discover, false),
            (&wrapped, Discover, false),
            (&wrapped, Initialize, false),
            (&modern, Initialize, true),
            (&told, Discover, false),
            (&told, Initialize, true),
        ] {
            assert!(!is_task(answer, generation, is_asked), "{answer}");
        }
    }

    #[test]
    fn what_says_that_it_is_a_task_is_one_or_an_error() {
        let deep = format!(
            r#"{{"resultType":"task","taskId":"t","status":"working","a":{}{}}}"#,
            "[".repeat(600),
            "]".repeat(600)
        );
        for answer in [
            r#"{"resultType":"task"}"#,
            r#"{"resultType":"task","taskId":"t"}"#,
            &deep,
        ] {
            let answer = RawValue::from_string(answer.to_owned()).unwrap();
            let error = Task::created(&answer, Generation::Discover, false)
                .err()
                .unwrap();
            assert_eq!(error.code, Code::InvalidResponse);
        }
    }

    #[test]
    fn what_is_no_task_is_refused() {
        for answer in [
            json!({ "taskId": "t", "status": "lost" }),
            json!({ "taskId": 7, "status": "working" }),
            json!({ "taskId": "", "status": "working" }),
            json!({ "taskId": "x".repeat(5000), "status": "working" }),
            json!({ "status": "working" }),
        ] {
            let error = Task::read(&raw(&answer)).err().unwrap();
            assert_eq!(error.code, Code::InvalidResponse);
        }
    }

    #[test]
    fn a_result_is_of_the_task_that_was_asked_about() {
        let of = |task: Value| raw(&json!({ "content": [], "_meta": { RELATED_TASK: task } }));
        assert!(check_result(&of(json!({ "taskId": "t" })), "t").is_ok());
        assert!(check_result(&of(json!({ "taskId": "other" })), "t").is_err());
        assert!(check_result(&raw(&json!({ "content": [] })), "t").is_ok());
    }
}
