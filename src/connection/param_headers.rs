//! Arguments as HTTP headers (`x-mcp-header`, MCP 2026-07-28, chapter "Transports"): which of a tool's are sent so. Tools
//! whose annotations ask for headers that cannot be may not be offered.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::nesting::{self, MAX_NESTING};

const ANNOTATION: &str = "x-mcp-header";

/// Where in the arguments, and the end of the header's name.
pub(super) type Annotations = Vec<(Vec<String>, String)>;

/// Of the tools of a server that have any.
#[derive(Default)]
pub(super) struct ParamHeaders(Mutex<HashMap<String, Annotations>>);

impl ParamHeaders {
    pub fn of_call(&self, params: &Map<String, Value>) -> Option<Annotations> {
        self.0.lock().get(params.get("name")?.as_str()?).cloned()
    }

    /// Notes the annotations on a page of `tools/list`. `None` where all its tools can be offered; else the page with
    /// only those, each as the server wrote it, and the names of the others.
    pub fn note(&self, page: &RawValue) -> Option<(Box<RawValue>, Vec<String>)> {
        // Few servers have any.
        if !page.get().contains(ANNOTATION) && self.0.lock().is_empty() {
            return None;
        }
        let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_str(page.get()).ok()?;
        let tools: Vec<Box<RawValue>> = serde_json::from_str(members.get("tools")?.get()).ok()?;
        let mut refused = Vec::new();
        let kept: Vec<_> = tools
            .into_iter()
            .filter(|tool| match self.note_tool(tool) {
                Ok(()) => true,
                Err(name) => {
                    refused.push(name);
                    false
                }
            })
            .collect();
        if refused.is_empty() {
            return None;
        }
        members.insert("tools".to_owned(), to_raw_value(&kept).ok()?);
        Some((to_raw_value(&members).ok()?, refused))
    }

    /// Fails with the name of a tool that cannot be offered.
    fn note_tool(&self, tool: &RawValue) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tool {
            name: String,
            #[serde(default)]
            input_schema: Value,
        }
        // What is no tool, or too deep to be used, is somebody else's to judge.
        let Ok(tool) = nesting::parse::<Tool>(tool.get(), MAX_NESTING) else {
            return Ok(());
        };
        let mut found = Vec::new();
        let outcome = annotations(&tool.input_schema, true, &mut Vec::new(), &mut found)
            .and_then(|()| unique(&found));
        let mut known = self.0.lock();
        known.remove(&tool.name);
        if outcome.is_none() {
            return Err(tool.name);
        }
        if !found.is_empty() {
            known.insert(tool.name, found);
        }
        Ok(())
    }
}

/// Collects annotations along `properties` from the root. `None` where one is invalid, or somewhere else.
fn annotations(
    schema: &Value,
    on_path: bool,
    path: &mut Vec<String>,
    found: &mut Annotations,
) -> Option<()> {
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => {
            return items
                .iter()
                .try_for_each(|item| annotations(item, false, path, found));
        }
        _ => return Some(()),
    };
    for (name, value) in members {
        match name.as_str() {
            ANNOTATION if on_path && !path.is_empty() => {
                found.push((path.clone(), header(members, value)?));
            }
            ANNOTATION => return None,
            "properties" => {
                for (property, schema) in value.as_object().into_iter().flatten() {
                    path.push(property.clone());
                    annotations(schema, on_path, path, found)?;
                    path.pop();
                }
            }
            // Names of properties to schemas, where an annotation's name would be a property's.
            "$defs" | "definitions" | "dependencies" | "dependentSchemas" | "patternProperties" => {
                for (_, schema) in value.as_object().into_iter().flatten() {
                    annotations(schema, false, path, found)?;
                }
            }
            // Values, and no schemas.
            "default" | "const" | "enum" | "examples" | "dependentRequired" => {}
            _ => annotations(value, false, path, found)?,
        }
    }
    Some(())
}

/// A token (RFC 9110, section 5.6.2), on a property that a header can carry.
fn header(property: &serde_json::Map<String, Value>, annotation: &Value) -> Option<String> {
    let header = annotation.as_str().filter(|header| !header.is_empty())?;
    let is_token = header
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let kind = property.get("type").and_then(Value::as_str);
    let is_primitive = matches!(kind, Some("string" | "integer" | "boolean"));
    (is_token && is_primitive).then(|| header.to_owned())
}

/// Headers are the same in any case.
fn unique(found: &Annotations) -> Option<()> {
    let mut seen = HashSet::new();
    let is_new = |(_, header): &(_, String)| seen.insert(header.to_ascii_lowercase());
    found.iter().all(is_new).then_some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(schemas: &[(&str, Value)]) -> Box<RawValue> {
        let tools: Vec<_> = schemas
            .iter()
            .map(|(name, schema)| json!({ "name": name, "inputSchema": schema }))
            .collect();
        to_raw_value(&json!({ "tools": tools, "nextCursor": "c" })).unwrap()
    }

    fn refused(schema: Value) -> bool {
        ParamHeaders::default()
            .note(&page(&[("t", schema)]))
            .is_some()
    }

    fn tool(name: &str) -> Map<String, Value> {
        Map::from_iter([("name".to_owned(), json!(name))])
    }

    #[test]
    fn annotations_are_found_along_properties() {
        let known = ParamHeaders::default();
        let schema = json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "deep": { "type": "object", "properties": { "n": { "type": "integer", "x-mcp-header": "N" } } },
            "x-mcp-header": { "type": "string" },
        } });
        assert!(
            known
                .note(&page(&[("t", schema), ("plain", json!({}))]))
                .is_none()
        );
        let found = known.of_call(&tool("t")).unwrap();
        assert_eq!(found[0], (vec!["region".to_owned()], "Region".to_owned()));
        assert_eq!(found[1].0, ["deep", "n"]);
        assert!(known.of_call(&tool("plain")).is_none());
        assert!(known.note(&page(&[("t", json!({}))])).is_none());
        assert!(known.of_call(&tool("t")).is_none());
    }

    #[test]
    fn tools_with_impossible_headers_are_left_out() {
        let of = |property: Value| json!({ "properties": { "p": property } });
        for header in [json!(""), json!("a b"), json!(7), json!("grün")] {
            assert!(refused(of(
                json!({ "type": "string", "x-mcp-header": header })
            )));
        }
        assert!(refused(of(
            json!({ "type": "number", "x-mcp-header": "A" })
        )));
        assert!(refused(json!({ "x-mcp-header": "A" })));
        assert!(refused(of(
            json!({ "items": { "type": "string", "x-mcp-header": "A" } })
        )));
        assert!(refused(json!({ "properties": {
            "a": { "type": "string", "x-mcp-header": "A" },
            "b": { "type": "string", "x-mcp-header": "a" },
        } })));
        assert!(refused(
            json!({ "$defs": { "d": { "type": "string", "x-mcp-header": "A" } } })
        ));
        assert!(!refused(json!({ "default": { "x-mcp-header": "" } })));
    }

    #[test]
    fn others_stay_as_they_came() {
        let text = r#"{"tools":[ {"name":"a", "inputSchema":{}, "odd": 1.0},{"name":"b","inputSchema":{"x-mcp-header":1}}],"nextCursor":"c"}"#;
        let page = RawValue::from_string(text.to_owned()).unwrap();
        let (page, refused) = ParamHeaders::default().note(&page).unwrap();
        assert_eq!(
            page.get(),
            r#"{"tools":[{"name":"a", "inputSchema":{}, "odd": 1.0}],"nextCursor":"c"}"#
        );
        assert_eq!(refused, ["b"]);
    }
}
