//! LibreChat's function format for tools.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Manager;
use super::names::{DELIMITER, Naming, WireNames};
use super::schema::{Budget, repaired};
use crate::error::{Code, Error, Result};
use crate::nesting::{self, MAX_NESTING};
use crate::tools::{RawTools, member, members, name_among};

/// What models get to know of a tool, as the server wrote it.
struct Tool<'a> {
    name: Cow<'a, str>,
    description: Option<&'a RawValue>,
    input_schema: Option<&'a RawValue>,
}

impl<'a> Tool<'a> {
    fn read(tool: &'a RawValue) -> Option<Self> {
        let members = members(tool)?;
        let is_text = |value: &&RawValue| value.get().starts_with('"');
        let is_there = |value: &&RawValue| value.get() != "null";
        Some(Self {
            name: name_among(&members)?,
            description: member(&members, "description").filter(is_text),
            input_schema: member(&members, "inputSchema").filter(is_there),
        })
    }
}

/// What becomes of the fields that a tool of a server has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFields {
    /// An empty description, a schema without properties.
    Defaulted,
    /// They stay absent, as in `getServerToolFunctions` and inspected configurations.
    Omitted,
}

/// Tools as functions, and what the server calls those that models know by another name.
pub struct Functions {
    /// The text of a JSON object.
    pub text: String,
    pub(super) wire_names: WireNames,
}

impl Manager {
    /// `TOOL_mcp_SERVER` → `{ type, serverToolName?, function: { name, description, parameters } }`, as the text of a JSON
    /// object. Of two tools with one name the last wins, when the text is parsed. Calls by the names in it are understood
    /// from then on, from `user_id`, or on the connection that all share. `tools`: those of [`Manager::for_models`].
    pub fn functions(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        tools: &RawTools,
        naming: Naming,
        missing: MissingFields,
    ) -> Result<String> {
        let functions = functions(server_name, tools, naming, missing)?;
        self.learn_names(user_id, server_name, functions.wire_names);
        Ok(functions.text)
    }
}

/// The functions alone.
pub fn functions(
    server_name: &str,
    tools: &RawTools,
    naming: Naming,
    missing: MissingFields,
) -> Result<Functions> {
    let invalid = |_| {
        Error::new(
            Code::InvalidResponse,
            "The server listed something that is no tool",
        )
    };
    let listed: Vec<&RawValue> = serde_json::from_str(tools.outline()).map_err(invalid)?;
    let listed: Vec<_> = listed.into_iter().filter_map(Tool::read).collect();
    let sent: Vec<&str> = listed.iter().map(|tool| &*tool.name).collect();
    let shown = naming.tools(server_name, &sent);
    let server = naming.server(server_name);
    let (mut budget, mut wire_names) = (Budget::default(), std::collections::HashMap::new());
    let mut text = String::from("{");
    for (tool, shown) in listed.iter().zip(shown) {
        if text.len() > 1 {
            text.push(',');
        }
        let name = Value::from(format!("{shown}{DELIMITER}{server}"));
        // Writing to a string cannot fail.
        let _ = write!(text, r#"{name}:{{"type":"function""#);
        if *shown != tool.name {
            wire_names.insert(shown.to_owned(), tool.name.clone().into_owned());
            let _ = write!(text, r#","serverToolName":{}"#, Value::from(&*tool.name));
        }
        let _ = write!(text, r#","function":{{"name":{name}"#);
        let fills = missing == MissingFields::Defaulted;
        let empty = fills.then_some(r#""""#);
        if let Some(description) = tool.description.map(RawValue::get).or(empty) {
            let _ = write!(text, r#","description":{description}"#);
        }
        let schema = tool
            .input_schema
            .and_then(|outlined| tools.schema(outlined));
        match schema.map(|schema| nesting::parse::<Value>(schema, MAX_NESTING)) {
            Some(Ok(schema)) if schema.is_object() => {
                let _ = write!(text, r#","parameters":{}"#, repaired(&schema, &mut budget));
            }
            Some(_) => text.push_str(EMPTY),
            None if fills => text.push_str(EMPTY),
            None => {}
        }
        text.push_str("}}");
    }
    text.push('}');
    Ok(Functions {
        text,
        wire_names: Arc::new(wire_names),
    })
}

/// For a tool that takes no arguments, or does not say in a readable way which.
const EMPTY: &str = r#","parameters":{"type":"object","properties":{}}"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn format(tools: &Value) -> Value {
        format_under(tools, "srv", Naming::Stripped)
    }

    fn format_under(tools: &Value, server_name: &str, naming: Naming) -> Value {
        let mut raw = RawTools::default();
        for tool in tools.as_array().expect("an array") {
            raw.push(&serde_json::value::to_raw_value(tool).expect("JSON"));
        }
        let functions = functions(server_name, &raw, naming, MissingFields::Defaulted);
        serde_json::from_str(&functions.expect("tools").text).expect("JSON")
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

    #[test]
    fn keys() {
        let tools =
            json!([{ "name": "My_srv_echo" }, { "name": "My_srv_search" }, { "name": "search" }]);
        for (naming, keys) in [
            (
                Naming::AsSent,
                [
                    "My_srv_echo_mcp_My srv",
                    "My_srv_search_mcp_My srv",
                    "search_mcp_My srv",
                ],
            ),
            (
                Naming::Normalized,
                [
                    "My_srv_echo_mcp_My_srv",
                    "My_srv_search_mcp_My_srv",
                    "search_mcp_My_srv",
                ],
            ),
            (
                Naming::Stripped,
                [
                    "echo_mcp_My_srv",
                    "My_srv_search_mcp_My_srv",
                    "search_mcp_My_srv",
                ],
            ),
        ] {
            let functions = format_under(&tools, "My srv", naming);
            let found: Vec<_> = functions.as_object().expect("an object").keys().collect();
            assert_eq!(found, keys);
            let first = &functions[keys[0]];
            assert_eq!(first["function"]["name"], keys[0]);
            let wire = (naming == Naming::Stripped).then_some("My_srv_echo");
            assert_eq!(first["serverToolName"].as_str(), wire);
            assert!(functions[keys[2]].get("serverToolName").is_none());
        }
    }
}
