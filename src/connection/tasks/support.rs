//! Who runs tools as tasks before 2026-07-28: a server says so in its capabilities, and of each tool in its list (MCP
//! 2025-11-25, chapter "Tasks"). Since then servers decide by themselves.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connection::handshake::Described;
use crate::nesting::{self, MAX_NESTING};

/// Capabilities, as JSON pointers (RFC 6901).
pub(super) const TOOL_CALLS: &str = "/tasks/requests/tools/call";
pub(super) const CANCELLING: &str = "/tasks/cancel";
/// Tools that are remembered. No list is longer that anybody can use.
const MOST: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskSupport {
    Optional,
    Required,
}

/// Whether the server has said in its handshake that it can do this.
pub(super) fn declares(described: &Described, capability: &str) -> bool {
    let written = described.raw_capabilities.as_deref().map(RawValue::get);
    // Few servers have tasks.
    let Some(written) = written.filter(|written| written.contains("\"tasks\"")) else {
        return false;
    };
    let read = nesting::parse::<Value>(written, MAX_NESTING);
    read.is_ok_and(|read| read.pointer(capability).is_some_and(Value::is_object))
}

/// The tools of a server that can run as tasks, as its list has them.
#[derive(Default)]
pub(in crate::connection) struct TaskTools(Mutex<Option<Box<Listed>>>);

#[derive(Default)]
struct Listed {
    /// How often the tools had changed when the last page was read.
    changes: Option<u64>,
    supports: HashMap<String, TaskSupport>,
}

impl TaskTools {
    pub(super) fn of(&self, name: &str) -> Option<TaskSupport> {
        self.0.lock().as_ref()?.supports.get(name).copied()
    }

    /// Whether the list was read after the tools had changed this often.
    pub(super) fn is_current(&self, changes: u64) -> bool {
        let listed = self.0.lock();
        listed
            .as_ref()
            .is_some_and(|listed| listed.changes == Some(changes))
    }

    /// Notes what a page of `tools/list` says, from a server that has tasks.
    pub fn note(&self, described: &Described, page: &RawValue, changes: u64) {
        #[derive(Deserialize)]
        struct Page<'a> {
            #[serde(borrow)]
            tools: Vec<&'a RawValue>,
            #[serde(rename = "nextCursor", default)]
            next_cursor: Value,
        }
        #[derive(Deserialize)]
        struct Tool {
            name: String,
            #[serde(default)]
            execution: Value,
        }
        if !declares(described, TOOL_CALLS) {
            return;
        }
        let Ok(page) = serde_json::from_str::<Page<'_>>(page.get()) else {
            return;
        };
        let mut listed = self.0.lock();
        let listed = listed.get_or_insert_default();
        for tool in page.tools {
            // What is no tool is somebody else's to judge.
            let Ok(Tool { name, execution }) = nesting::parse(tool.get(), MAX_NESTING) else {
                continue;
            };
            let support = match execution.get("taskSupport").and_then(Value::as_str) {
                Some("required") => TaskSupport::Required,
                Some("optional") => TaskSupport::Optional,
                _ => {
                    listed.supports.remove(&name);
                    continue;
                }
            };
            if listed.supports.len() < MOST {
                listed.supports.insert(name, support);
            }
        }
        if page.next_cursor.as_str().is_none_or(str::is_empty) {
            listed.changes = Some(changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ProtocolVersion, ServerCapabilities};
    use serde_json::json;

    use super::*;

    fn described(capabilities: &Value) -> Described {
        Described {
            version: ProtocolVersion::LATEST_WITH_INITIALIZE,
            capabilities: ServerCapabilities::default(),
            instructions: None,
            raw_capabilities: Some(RawValue::from_string(capabilities.to_string()).unwrap()),
            server_info: None,
        }
    }

    fn page(tools: &Value, cursor: Option<&str>) -> Box<RawValue> {
        let page = json!({ "tools": tools, "nextCursor": cursor });
        RawValue::from_string(page.to_string()).unwrap()
    }

    fn tool(name: &str, support: &Value) -> Value {
        json!({ "name": name, "execution": { "taskSupport": support } })
    }

    #[test]
    fn a_server_without_the_capability_has_no_tasks() {
        let whole = json!({ "tasks": { "cancel": {}, "requests": { "tools": { "call": {} } } } });
        assert!(declares(&described(&whole), TOOL_CALLS));
        assert!(declares(&described(&whole), CANCELLING));
        for capabilities in [
            json!({}),
            json!({ "tasks": {} }),
            json!({ "tasks": { "requests": { "tools": { "call": true } } } }),
            json!({ "extensions": { "tasks": { "requests": { "tools": { "call": {} } } } } }),
        ] {
            let described = described(&capabilities);
            assert!(!declares(&described, TOOL_CALLS), "{capabilities}");
            let tools = TaskTools::default();
            tools.note(
                &described,
                &page(&json!([tool("a", &json!("required"))]), None),
                0,
            );
            assert_eq!(tools.of("a"), None);
        }
    }

    #[test]
    fn the_list_is_known_after_its_last_page_until_it_changes() {
        let described = described(&json!({ "tasks": { "requests": { "tools": { "call": {} } } } }));
        let tools = TaskTools::default();
        let first = json!([tool("a", &json!("required")), tool("b", &json!("optional"))]);
        tools.note(&described, &page(&first, Some("2")), 3);
        assert!(!tools.is_current(3));
        let last =
            json!([tool("c", &json!("forbidden")), tool("d", &json!(7)), { "name": "e" }, 8]);
        tools.note(&described, &page(&last, None), 3);
        assert!(tools.is_current(3) && !tools.is_current(4));
        let known = ["a", "b", "c", "d", "e"].map(|name| tools.of(name));
        let (required, optional) = (Some(TaskSupport::Required), Some(TaskSupport::Optional));
        assert_eq!(known, [required, optional, None, None, None]);
        tools.note(&described, &page(&json!([{ "name": "a" }]), None), 4);
        assert_eq!(tools.of("a"), None);
    }
}
