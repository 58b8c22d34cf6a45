//! `tools/list` of servers that do not keep to the letter.

use librechat_mcp_native::connection::ToolList;
use librechat_mcp_native::error::Code;
use serde_json::{Value, json};

use super::start;
use super::support::list;
use super::support::scripted::json as json_answer;
use super::support::server::result;

/// What is made of a list whose pages are `pages`, by their cursors.
async fn listed(pages: fn(Option<&str>) -> Value) -> (usize, Result<ToolList, Code>) {
    let (server, connection) = start(move |request| {
        (request.rpc() == "tools/list").then(|| {
            let cursor = request.message["params"]["cursor"].as_str();
            json_answer(&result(request.id(), &pages(cursor)))
        })
    })
    .await;
    let list = list(&connection, 20.0).await;
    (server.rpc("tools/list").len(), list)
}

fn names(list: &ToolList) -> Vec<String> {
    let tools: Vec<Value> = serde_json::from_str(list.tools.outline()).unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

#[tokio::test]
async fn what_is_no_tool_is_left_out_and_told() {
    let (_, list) = listed(|_| {
        json!({ "tools": [null, { "name": "a" }, {}, { "name": 7 }, "b", [], { "name": "c", "inputSchema": true }] })
    })
    .await;
    let list = list.unwrap();
    assert_eq!(names(&list), ["a", "c"]);
    assert!(list.incomplete.is_none());
    let told = list.left_out.unwrap();
    assert_eq!(told.code, Code::InvalidResponse);
    assert!(told.message.contains("5 without a name"), "{told}");
}

#[tokio::test]
async fn the_end_of_a_list() {
    for end in [json!(null), json!("")] {
        let page = match end {
            Value::Null => {
                |_: Option<&str>| json!({ "tools": [{ "name": "a" }], "nextCursor": null })
            }
            _ => |_: Option<&str>| json!({ "tools": [{ "name": "a" }], "nextCursor": "" }),
        };
        let (asked, list) = listed(page).await;
        let list = list.unwrap();
        assert_eq!((asked, names(&list)), (1, vec!["a".to_owned()]), "{end}");
        assert!(list.incomplete.is_none(), "{end}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_no_text_ends_the_list() {
    let (asked, list) = listed(|_| json!({ "tools": [{ "name": "a" }], "nextCursor": 7 })).await;
    let list = list.unwrap();
    assert_eq!((asked, names(&list)), (1, vec!["a".to_owned()]));
    assert!(
        list.incomplete
            .unwrap()
            .message
            .contains("cursor that is no text")
    );
}

#[tokio::test]
async fn a_repeated_cursor_gives_each_tool_once() {
    let (asked, list) = listed(|cursor| match cursor {
        None => json!({ "tools": [{ "name": "a" }], "nextCursor": "1" }),
        Some("1") => json!({ "tools": [{ "name": "b" }], "nextCursor": "2" }),
        Some(_) => json!({ "tools": [{ "name": "a" }, { "name": "c" }], "nextCursor": "1" }),
    })
    .await;
    let list = list.unwrap();
    assert_eq!(
        (asked, names(&list)),
        (3, vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    );
    assert!(
        list.incomplete
            .unwrap()
            .message
            .contains("repeated a tools/list cursor")
    );
}
