//! What a result is: an object, and since 2026-07-28 one that says which kind of a result it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};

// Compared as written: no server has a reason to escape these.
pub(super) const COMPLETE: &str = "\"complete\"";
pub(super) const INPUT_REQUIRED: &str = "\"input_required\"";
pub(super) const TASK: &str = "\"task\"";

/// Characters of an unknown `resultType` that an error tells.
const LONGEST: usize = 64;

/// The `resultType` of a result as written (MCP 2026-07-28); one that has none is complete.
///
/// Fails with [`Code::InvalidResponse`] for what is no result.
pub(super) fn result_type<'a>(method: &str, result: &'a RawValue) -> Result<&'a str> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "resultType", borrow)]
        result_type: Option<&'a RawValue>,
    }
    check_object(method, result)?;
    let Ok(kind) = serde_json::from_str::<Kind<'_>>(result.get()) else {
        return Err(invalid(
            method,
            "with a result whose `resultType` cannot be read",
        ));
    };
    Ok(kind.result_type.map_or(COMPLETE, RawValue::get))
}

/// A client must not take a result of a type that it does not know (MCP 2026-07-28, `ResultType`).
pub(super) fn unknown(method: &str, result_type: &str) -> Error {
    let told: String = result_type.chars().take(LONGEST).collect();
    invalid(
        method,
        &format!("with `resultType` {told}, which it does not have"),
    )
}

/// JSON-RPC has results of any kind, MCP has objects alone.
pub(super) fn check_object(method: &str, result: &RawValue) -> Result<()> {
    let came = match result.get().trim_ascii_start().as_bytes().first() {
        Some(b'{') => return Ok(()),
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    Err(invalid(
        method,
        &format!("with {came}, and results are objects"),
    ))
}

fn invalid(method: &str, how: &str) -> Error {
    Error::new(
        Code::InvalidResponse,
        format!("The server answered {method} {how}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(result: &str) -> Result<String> {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        result_type("tools/call", &result).map(str::to_owned)
    }

    #[test]
    fn a_result_is_an_object_that_says_once_what_it_is() {
        let deep = format!(
            "{{\"a\":{}{},\"resultType\":\"task\"}}",
            "[".repeat(5000),
            "]".repeat(5000)
        );
        for (result, expected) in [
            ("{}", COMPLETE),
            (" {\"resultType\":\"complete\"}", COMPLETE),
            ("{\"resultType\": \"input_required\"}", INPUT_REQUIRED),
            (&deep, TASK),
            ("{\"resultType\":7}", "7"),
        ] {
            assert_eq!(type_of(result).unwrap(), expected);
        }
        for (result, came) in [
            ("\"str\"", "a string"),
            ("5", "a number"),
            ("-5", "a number"),
            ("[\"task\"]", "an array"),
            ("null", "null"),
            ("true", "a boolean"),
            (
                "{\"resultType\":\"task\",\"resultType\":\"complete\"}",
                "cannot be read",
            ),
        ] {
            let error = type_of(result).unwrap_err();
            assert_eq!(error.code, Code::InvalidResponse);
            assert!(error.message.contains(came), "{error}");
        }
    }

    #[test]
    fn an_error_tells_no_more_of_an_unknown_type_than_its_beginning() {
        let error = unknown("tools/call", &format!("\"{}\"", "ж".repeat(1_000_000)));
        assert!(error.message.chars().count() < 200);
    }
}
