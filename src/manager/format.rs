//! LibreChat's function format for tools.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connection::RawTools;
use crate::error::{Code, Error, Result};

/// Joins a tool's name and its server's name (LibreChat's `Constants.mcp_delimiter`).
const DELIMITER: &str = "_mcp_";

#[derive(Deserialize)]
struct Tool<'a> {
    name: String,
    description: Option<String>,
    #[serde(rename = "inputSchema", borrow)]
    input_schema: Option<&'a RawValue>,
}

/// `NAME_mcp_SERVER` → `{ type, function: { name, description, parameters } }`, as the text of a JSON object. Of two
/// tools with one name the last wins, when the text is parsed.
pub fn format_tools(server_name: &str, tools: &RawTools) -> Result<String> {
    let described = |tool: &Tool<'_>| Some(tool.description.clone().unwrap_or_default());
    format(
        server_name,
        tools,
        described,
        Some(r#"{"type":"object","properties":{}}"#),
    )
}

/// The same, but what a tool lacks stays missing, as in `getServerToolFunctions` and inspected configurations.
pub fn tool_functions(server_name: &str, tools: &RawTools) -> Result<String> {
    format(server_name, tools, |tool| tool.description.clone(), None)
}

fn format(
    server_name: &str,
    tools: &RawTools,
    described: impl Fn(&Tool<'_>) -> Option<String>,
    parameters: Option<&str>,
) -> Result<String> {
    let invalid = |_| {
        Error::new(
            Code::InvalidResponse,
            "The server listed something that is no tool",
        )
    };
    let listed: Vec<Tool<'_>> = serde_json::from_str(tools.outline()).map_err(invalid)?;
    let mut text = String::from("{");
    for tool in &listed {
        if text.len() > 1 {
            text.push(',');
        }
        let name = serde_json::Value::from(format!("{}{DELIMITER}{server_name}", tool.name));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{name}:{{"type":"function","function":{{"name":{name}"#
        );
        if let Some(description) = described(tool) {
            let _ = write!(
                text,
                r#","description":{}"#,
                serde_json::Value::from(description)
            );
        }
        let schema = tool
            .input_schema
            .and_then(|outlined| tools.schema(outlined));
        if let Some(parameters) = schema.or(parameters) {
            let _ = write!(text, r#","parameters":{parameters}"#);
        }
        text.push_str("}}");
    }
    text.push('}');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn format(tools: &Value) -> Value {
        let mut raw = RawTools::default();
        for tool in tools.as_array().expect("an array") {
            raw.push(&serde_json::value::to_raw_value(tool).expect("JSON"));
        }
        serde_json::from_str(&format_tools("srv", &raw).expect("tools")).expect("JSON")
    }

    #[test]
    fn functions_by_name() {
        let tools = json!([
            { "name": "a \"b\"", "description": "first", "inputSchema": { "type": "object", "x": 1 } },
            { "name": "bare" },
            { "name": "twice", "description": "one" },
            { "name": "twice", "description": "two", "inputSchema": null },
        ]);
        let function = |name: &str, description: &str, parameters: Value| json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } });
        let empty = || json!({ "type": "object", "properties": {} });
        let expected = json!({
            "a \"b\"_mcp_srv": function("a \"b\"_mcp_srv", "first", json!({ "type": "object", "x": 1 })),
            "bare_mcp_srv": function("bare_mcp_srv", "", empty()),
            "twice_mcp_srv": function("twice_mcp_srv", "two", empty()),
        });
        assert_eq!(format(&tools), expected);
        assert_eq!(format(&json!([])), json!({}));
    }
}
