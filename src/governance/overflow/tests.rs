mod cutting;
mod keeping;

use serde_json::{Value, json};

use super::*;
use crate::nesting::{self, MAX_NESTING};

const CALL: Call<'_> = Call {
    server_name: "files",
    tool_name: "read",
};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

fn texts(count: usize, text: &str) -> String {
    let item = json!({ "type": "text", "text": text }).to_string();
    format!("{{\"content\":[{}]}}", vec![item; count].join(","))
}

/// What is given of a result, which is no larger than the bound and JSON.
fn given(json: &str, bound: usize, overflow: Overflow) -> Result<(Value, Option<(Id, Whole)>)> {
    let given = fit(&raw(json), bound, overflow, CALL)?;
    let text = given.answer.get();
    assert!(text.len() <= bound, "{} of {bound}", text.len());
    let value = nesting::parse(text, 2 * MAX_NESTING).expect("JSON");
    Ok((value, given.kept))
}

fn item(value: &Value, index: usize) -> &str {
    value["content"][index]["text"].as_str().expect("a text")
}
