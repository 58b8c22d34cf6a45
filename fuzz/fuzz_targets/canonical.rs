#![no_main]

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::governance::canonical;
use librechat_mcp_native::nesting::{MAX_NESTING, parse};
use serde_json::Value;

/// The same data, with the members of objects from the last to the first.
fn turned_round(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().rev();
            Value::Object(members.map(|(name, it)| (name, turned_round(it))).collect())
        }
        Value::Array(items) => items.into_iter().map(turned_round).collect(),
        other => other,
    }
}

/// Whether two texts stand for the same. Numbers are doubles, as for JavaScript.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, it)| is_same(one, it))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has = |(name, it)| other.get(name).is_some_and(|other| is_same(it, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

fuzz_target!(|json: &str| {
    let text = canonical(json);
    let (Ok(value), Some(text)) = (parse::<Value>(json, MAX_NESTING), text) else {
        return;
    };
    assert_eq!(canonical(&text).as_ref(), Some(&text));
    let read = parse(&text, MAX_NESTING).expect("JSON");
    assert!(is_same(&value, &read), "{text}");
    let other = serde_json::to_string_pretty(&turned_round(value)).expect("JSON");
    assert_eq!(canonical(&other), Some(text));
});
