//! What somebody needs to wait for a task, in this process or in another one.

use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::connection::generation::Generation;
use crate::error::{Code, Error, Result};

/// Bytes of a task's id. It is sent as a header, and servers take no longer ones.
pub(super) const LONGEST_ID: usize = 4096;

/// Where a task is, in no more than a host may store. It holds no secret of ours; whether its id alone lets somebody see the
/// task is the server's to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHandle {
    pub server_name: String,
    /// As the caller knows it.
    pub tool_name: String,
    pub task_id: String,
    /// What the server spoke when it began the task.
    pub generation: Generation,
    /// When the task was begun, in milliseconds since the epoch by the client's clock.
    pub created_at: i64,
}

impl TaskHandle {
    pub(super) fn new(
        server_name: &str,
        tool_name: &str,
        task_id: &str,
        generation: Generation,
    ) -> Self {
        Self {
            server_name: server_name.to_owned(),
            tool_name: tool_name.to_owned(),
            task_id: task_id.to_owned(),
            generation,
            created_at: now_ms(),
        }
    }

    /// `{ serverName, toolName, taskId, protocolVersion, createdAt }`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "serverName": self.server_name,
            "toolName": self.tool_name,
            "taskId": self.task_id,
            "protocolVersion": version(self.generation),
            "createdAt": self.created_at,
        })
    }

    /// Reads what [`TaskHandle::to_json`] has made.
    ///
    /// # Errors
    /// For anything else, with the member that is wrong, and what it must be.
    pub fn from_json(handle: &Value) -> Result<Self, (&'static str, &'static str)> {
        let text = |name: &'static str| {
            let text = handle.get(name).and_then(Value::as_str);
            let text = text.filter(|text| !text.is_empty());
            text.ok_or((name, "must be a string"))
        };
        let task_id = text("taskId")?;
        if !is_usable_id(task_id) {
            return Err(("taskId", "must have at most 4096 bytes"));
        }
        let spoken = text("protocolVersion")?;
        let both = [Generation::Initialize, Generation::Discover];
        let generation = both.into_iter().find(|it| version(*it) == spoken);
        let created_at = handle.get("createdAt").and_then(Value::as_i64);
        Ok(Self {
            server_name: text("serverName")?.to_owned(),
            tool_name: text("toolName")?.to_owned(),
            task_id: task_id.to_owned(),
            generation: generation
                .ok_or(("protocolVersion", "must be 2025-11-25 or 2026-07-28"))?,
            created_at: created_at.ok_or(("createdAt", "must be a number of milliseconds"))?,
        })
    }

    /// Tasks of the two generations have nothing in common on the wire.
    pub(super) fn check(&self, generation: Generation) -> Result<()> {
        if self.generation == generation {
            return Ok(());
        }
        Err(Error::new(
            Code::InvalidArgument,
            format!(
                "The task was begun with MCP {}, which the server speaks no more",
                version(self.generation)
            ),
        ))
    }
}

pub(super) fn is_usable_id(task_id: &str) -> bool {
    !task_id.is_empty() && task_id.len() <= LONGEST_ID
}

/// The revision of MCP whose tasks a generation has.
const fn version(generation: Generation) -> &'static str {
    match generation {
        Generation::Initialize => "2025-11-25",
        Generation::Discover => "2026-07-28",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_was_written() {
        for generation in [Generation::Initialize, Generation::Discover] {
            let handle = TaskHandle::new("srv", "tool", "id", generation);
            assert_eq!(TaskHandle::from_json(&handle.to_json()), Ok(handle));
        }
    }

    #[test]
    fn what_is_no_handle_is_refused_with_the_member_that_is_wrong() {
        let whole = TaskHandle::new("srv", "tool", "id", Generation::Discover).to_json();
        for (member, value) in [
            ("serverName", json!(7)),
            ("toolName", Value::Null),
            ("taskId", json!("")),
            ("taskId", json!("x".repeat(LONGEST_ID + 1))),
            ("protocolVersion", json!("2024-11-05")),
            ("createdAt", json!("2026-01-01")),
        ] {
            let mut broken = whole.clone();
            broken[member] = value;
            let (wrong, _) = TaskHandle::from_json(&broken).unwrap_err();
            assert_eq!(wrong, member);
        }
        assert!(TaskHandle::from_json(&json!("id")).is_err());
    }
}
