//! Calling a tool (`packages/api/src/mcp/MCPManager.ts`, `callTool`).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::content::{Item, ToolContent, format_content};
use super::{Manager, ServerCall};
use crate::connection::TaskCall;
use crate::error::{Code, Error, Result};
use crate::nesting::{self, MAX_NESTING};

/// A tool's result as the host's model sees it.
pub struct ToolOutcome {
    pub content: ToolContent,
    /// The members of the result that the content does not have; absent where there are none.
    pub raw: Option<Box<RawValue>>,
}

impl Manager {
    /// Calls a tool and formats the result for a provider.
    pub async fn call_tool(
        &self,
        call: ServerCall<'_>,
        task: &mut TaskCall,
        provider: &str,
    ) -> Result<ToolOutcome> {
        let image_limit = call.scope.settings.image_data_max_bytes;
        let read = |answer: Box<RawValue>| {
            let (result, items, structured) = read(&answer).map_err(|_| unreadable(&answer))?;
            let outcome = ToolOutcome {
                content: format_content(&items, structured.as_ref(), provider, image_limit)?,
                raw: result.beside_content()?,
            };
            Ok((outcome, result.is_error()))
        };
        self.call(call, task, read).await
    }

    /// Makes a request whose result stays as the server wrote it.
    pub async fn call_raw(
        &self,
        call: ServerCall<'_>,
        task: &mut TaskCall,
    ) -> Result<Box<RawValue>> {
        let is_tool_call = matches!(call.method, "tools/call" | "tasks/result");
        let read = |answer: Box<RawValue>| {
            let is_error = is_tool_call && is_tool_error(&answer);
            Ok((answer, is_error))
        };
        self.call(call, task, read).await
    }
}

/// Whether a tool has answered with an error of its own.
#[must_use]
pub fn is_tool_error(answer: &RawValue) -> bool {
    let result = serde_json::from_str::<ToolResult>(answer.get());
    result.is_ok_and(|result| result.is_error())
}

/// What is read of a tool's result.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    #[serde(borrow, skip_serializing)]
    content: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    is_error: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

impl ToolResult<'_> {
    fn is_error(&self) -> bool {
        self.is_error
            .is_some_and(|is_error| is_error.get() == "true")
    }

    fn beside_content(&self) -> Result<Option<Box<RawValue>>> {
        let members = [self.structured_content, self.is_error, self.meta];
        if members.iter().all(Option::is_none) {
            return Ok(None);
        }
        let written = to_raw_value(self).map_err(|_| Error::internal())?;
        Ok(Some(written))
    }
}

fn unreadable(answer: &RawValue) -> Error {
    let why = if nesting::is_deeper(answer.get(), MAX_NESTING) {
        format!(": it is nested deeper than {MAX_NESTING} levels")
    } else {
        String::new()
    };
    Error::new(
        Code::InvalidResponse,
        format!("The server answered tools/call with an invalid result{why}"),
    )
}

/// The result, its items, and the structured content of one that has none.
type Read<'a> = (ToolResult<'a>, Vec<Item<'a>>, Option<Value>);

fn read(answer: &RawValue) -> serde_json::Result<Read<'_>> {
    let result: ToolResult = serde_json::from_str(answer.get())?;
    let content = Item::all(result.content)?;
    let structured = result
        .structured_content
        .filter(|structured| content.is_empty() && structured.get() != "null")
        .map(|structured| nesting::parse(structured.get(), MAX_NESTING))
        .transpose()?;
    Ok((result, content, structured))
}
