//! Arguments as HTTP headers (`x-mcp-header`, MCP 2026-07-28, chapter "Transports"). rmcp sends them, and refuses tools
//! whose annotations ask for headers that cannot be; such tools may not be offered.

use std::collections::HashSet;

use rmcp::model::ListToolsResult;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

#[derive(Deserialize)]
struct Tool {
    name: String,
}

/// The page with only the tools that rmcp has kept, each as the server wrote it, and the names of the others. `None`
/// where all were kept.
pub(super) fn usable(
    page: &RawValue,
    kept: &ListToolsResult,
) -> Option<(Box<RawValue>, Vec<String>)> {
    let mut members: indexmap::IndexMap<String, Box<RawValue>> =
        serde_json::from_str(page.get()).ok()?;
    let tools: Vec<Box<RawValue>> = serde_json::from_str(members.get("tools")?.get()).ok()?;
    if tools.len() == kept.tools.len() {
        return None;
    }
    let names: HashSet<&str> = kept.tools.iter().map(|tool| tool.name.as_ref()).collect();
    let mut refused = Vec::new();
    let tools: Vec<_> = tools
        .into_iter()
        .filter(|tool| match serde_json::from_str(tool.get()) {
            Ok(Tool { name }) if !names.contains(name.as_str()) => {
                refused.push(name);
                false
            }
            _ => true,
        })
        .collect();
    members.insert("tools".to_owned(), to_raw_value(&tools).ok()?);
    Some((to_raw_value(&members).ok()?, refused))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PAGE: &str = r#"{"tools":[ {"name":"a", "inputSchema":{}, "odd": 1.0},{"name":"b","inputSchema":{}}],"nextCursor":"c"}"#;

    fn kept(names: &[&str]) -> ListToolsResult {
        let tools: Vec<Value> = names
            .iter()
            .map(|name| json!({ "name": name, "inputSchema": {} }))
            .collect();
        serde_json::from_value(json!({ "tools": tools })).unwrap()
    }

    #[test]
    fn refused_tools_go_and_others_stay_as_they_came() {
        let page = RawValue::from_string(PAGE.to_owned()).unwrap();
        let (page, refused) = usable(&page, &kept(&["a"])).unwrap();
        assert_eq!(
            page.get(),
            r#"{"tools":[{"name":"a", "inputSchema":{}, "odd": 1.0}],"nextCursor":"c"}"#
        );
        assert_eq!(refused, ["b"]);
    }

    #[test]
    fn page_without_refused_tools_is_left_alone() {
        let page = RawValue::from_string(PAGE.to_owned()).unwrap();
        assert!(usable(&page, &kept(&["a", "b"])).is_none());
    }
}
