use serde_json::{Value, json};

use super::*;

fn result(value: &Value) -> Reply {
    Reply::Result(RawValue::from_string(value.to_string()).unwrap())
}

fn refused(code: i64, data: Option<&Value>) -> Reply {
    Reply::Error(RpcError {
        code,
        message: "no".to_owned(),
        data: data.map(|data| RawValue::from_string(data.to_string()).unwrap()),
    })
}

fn discovered(versions: &Value) -> Value {
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "supportedVersions": versions,
        "capabilities": { "x": 1 },
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "srv", "version": "1" } },
    })
}

/// `discover`, `initialize`, the version agreed on, or what the error says.
fn shown(step: &Step) -> String {
    match step {
        Step::Discover(_) => "discover".to_owned(),
        Step::Initialize => "initialize".to_owned(),
        Step::DiscoverInstead(_) => "discover instead".to_owned(),
        Step::Agreed(described) => described.version.as_str().to_owned(),
        Step::Failed(error) => error.message.clone(),
    }
}

#[test]
fn after_the_answer_to_discover() {
    let http = |status| Err(Error::http_status(status, "refused"));
    let failed = |code| Err(Error::new(code, "failed"));
    let table: Vec<(&str, Result<Reply>, &str)> = vec![
        (
            "described",
            Ok(result(&discovered(&json!(["2026-07-28"])))),
            "2026-07-28",
        ),
        (
            "older ones",
            Ok(result(&discovered(&json!(["2025-11-25"])))),
            "initialize",
        ),
        (
            "none that we know",
            Ok(result(&discovered(&json!(["2030-01-01"])))),
            "The server speaks no protocol version in common with this client (it offers 2030-01-01)",
        ),
        ("an empty result", Ok(result(&json!({}))), "initialize"),
        (
            "another result",
            Ok(result(&json!({ "tools": [] }))),
            "initialize",
        ),
        ("no result", Ok(Reply::Empty), "initialize"),
        ("method not found", Ok(refused(-32601, None)), "initialize"),
        ("any other error", Ok(refused(-32000, None)), "initialize"),
        (
            "unsupported, and names ours",
            Ok(refused(
                -32022,
                Some(&json!({ "supported": ["2026-07-28"] })),
            )),
            "discover",
        ),
        (
            "unsupported, and names older ones",
            Ok(refused(
                -32022,
                Some(&json!({ "supported": ["2025-06-18"] })),
            )),
            "initialize",
        ),
        (
            "unsupported, and names none",
            Ok(refused(-32022, None)),
            "initialize",
        ),
        (
            "a missing capability",
            Ok(refused(-32021, None)),
            "MCP error -32021: no",
        ),
        (
            "headers that do not match",
            Ok(refused(-32020, None)),
            "MCP error -32020: no",
        ),
        ("HTTP 400", http(400), "initialize"),
        (
            "HTTP 400 for the version",
            Err(Error::http_status(400, "refused").with_rpc_code(-32022)),
            "discover",
        ),
        ("HTTP 401", http(401), "initialize"),
        ("HTTP 403", http(403), "initialize"),
        ("HTTP 429", http(429), "initialize"),
        ("HTTP 500", http(500), "initialize"),
        ("a page", failed(Code::InvalidResponse), "initialize"),
        (
            "too long an answer",
            failed(Code::ResponseTooLarge),
            "initialize",
        ),
        ("no answer in time", failed(Code::Timeout), "initialize"),
        (
            "a closed socket",
            failed(Code::ConnectionLost),
            "initialize",
        ),
        (
            "no connection",
            failed(Code::ConnectionFailed),
            "initialize",
        ),
        (
            "a redirect to where nobody may go",
            failed(Code::AddressNotAllowed),
            "initialize",
        ),
        ("an abort", failed(Code::Aborted), "failed"),
    ];
    for (name, answer, next) in table {
        assert_eq!(shown(&after_discover(1, answer)), next, "{name}");
    }
    let again = Ok(refused(
        -32022,
        Some(&json!({ "supported": ["2026-07-28"] })),
    ));
    assert!(matches!(after_discover(2, again), Step::Failed(_)));
}

#[test]
fn after_the_answer_to_initialize() {
    let initialized = |version: &str| {
        Ok(result(&json!({
            "protocolVersion": version, "capabilities": { "tools": {} },
            "serverInfo": { "name": "srv", "version": "1" },
        })))
    };
    let unlike = "The server did not complete the MCP handshake as the protocol asks";
    let table: Vec<(Result<Reply>, &str)> = vec![
        (initialized("2025-11-25"), "2025-11-25"),
        (initialized("2024-11-05"), "2024-11-05"),
        (initialized("2024-10-07"), "2024-10-07"),
        (
            Ok(result(&json!({ "protocolVersion": "2025-06-18" }))),
            "2025-06-18",
        ),
        (
            initialized("1999-01-01"),
            "Server's protocol version is not supported: 1999-01-01",
        ),
        (Ok(result(&json!({}))), unlike),
        (Ok(Reply::Empty), unlike),
        (Ok(refused(-32603, None)), "MCP error -32603: no"),
        (Err(Error::http_status(401, "401")), "401"),
    ];
    for (answer, next) in table {
        assert_eq!(shown(&after_initialize(answer)), next);
    }
}

#[test]
fn a_process_that_refuses_initialize_may_be_of_the_generation_without() {
    let supports = |version: &str| Some(json!({ "supported": [version] }));
    for (answer, next) in [
        (Ok(refused(-32601, None)), "discover instead"),
        (
            Ok(refused(-32022, supports("2026-07-28").as_ref())),
            "discover instead",
        ),
        (
            Ok(refused(-32022, supports("2030-01-01").as_ref())),
            "MCP error -32022: no",
        ),
        (Ok(refused(-32022, None)), "MCP error -32022: no"),
        (Ok(refused(-32602, None)), "MCP error -32602: no"),
        (Err(Error::timeout("late")), "late"),
        (
            Ok(result(&json!({ "protocolVersion": "2025-06-18" }))),
            "2025-06-18",
        ),
    ] {
        assert_eq!(shown(&after_first_initialize(answer)), next);
    }
    // It is asked once, and who does not know that either has refused `initialize`.
    let refusal = || server_error(&RpcError::default());
    let described = Ok(result(&discovered(&json!(["2026-07-28"]))));
    for (answer, next) in [
        (described, "2026-07-28"),
        (Ok(refused(-32601, None)), "MCP error 0: "),
        (Ok(refused(-32022, None)), "MCP error 0: "),
        (Ok(Reply::Empty), "MCP error 0: "),
        (Err(Error::timeout("late")), "MCP error 0: "),
        (Err(Error::closed()), "The MCP runtime is closed"),
    ] {
        assert_eq!(shown(&after_discover_instead(refusal(), answer)), next);
    }
}

#[test]
fn who_wants_authorization_and_knows_no_initialize_is_believed() {
    let http = |status: u16| Error::http_status(status, status.to_string());
    let timeout = || Error::timeout("timeout");
    for (refusal, error, expected) in [
        (Some(http(401)), http(400), "401"),
        (Some(http(403)), http(405), "403"),
        (Some(http(401)), http(403), "403"),
        (Some(http(401)), timeout(), "timeout"),
        (Some(http(404)), http(400), "400"),
        (None, http(400), "400"),
    ] {
        assert_eq!(blamed(refusal, error).message, expected);
    }
}

#[test]
fn what_is_known_of_a_server_is_not_asked() {
    assert_eq!(shown(&first(Some(Generation::Initialize))), "initialize");
    assert_eq!(shown(&first(Some(Generation::Discover))), "discover");
    assert_eq!(shown(&first(None)), "discover");
}

#[test]
fn what_a_server_writes_of_itself_is_kept_as_it_is() {
    let written = |step| {
        let Step::Agreed(described) = step else {
            panic!("agreed")
        };
        let text = |raw: Option<Box<RawValue>>| raw.map(|raw| raw.get().to_owned());
        (
            text(described.raw_capabilities),
            text(described.server_info),
        )
    };
    let info = Some(r#"{"name":"srv","version":"1"}"#.to_owned());
    let discovered = Ok(result(&discovered(&json!(["2026-07-28"]))));
    let expected = (Some(r#"{"x":1}"#.to_owned()), info.clone());
    assert_eq!(written(after_discover(1, discovered)), expected);
    let initialized = |capabilities: Value, info: Value| {
        Ok(result(&json!({
            "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info,
        })))
    };
    let extended = json!({ "tools": {}, "extensions": { "io.x/y": { "z": 1.0 } } });
    let of_server = json!({ "name": "srv", "version": "1" });
    let expected = (Some(extended.to_string()), info);
    let answer = initialized(extended, of_server);
    assert_eq!(written(after_initialize(answer)), expected);
    let odd = initialized(Value::Null, json!("srv"));
    assert_eq!(written(after_initialize(odd)), (None, None));
}
