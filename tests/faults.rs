//! What servers and networks do wrong, on every transport: what the call that meets it comes to, within which time,
//! and that the next call works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use librechat_mcp_native::error::Code;
use serde_json::{Value, json};
use support::server::{Script, Server, ms, stdio_config, tools};
use support::wire::{EVERY_WIRE, Step, Wire, frame, response};
use support::{list, open, recipe, until};
use tokio::time::timeout;

/// What a call gets that nobody answers.
const SILENT_SECONDS: f64 = 2.0;
/// What every other call gets: 20 MiB in a debug build, and reconnecting, on a machine that has other things to do.
const SECONDS: f64 = 60.0;
/// Nothing takes longer.
const BOUND: Duration = Duration::from_mins(2);
const MIB: usize = 1024 * 1024;
/// The line limit of standard streams here: a longer script is no argument of a process.
const STDIO_LINE_BYTES: usize = 16 * 1024;

struct Case {
    name: &'static str,
    script: Script,
    /// `None` where the case means nothing.
    outcome: fn(Wire) -> Option<Outcome>,
}

type Outcome = Result<(), Code>;

const LISTED: Outcome = Ok(());
const LOST: Outcome = Err(Code::ConnectionLost);
const SILENT: Outcome = Err(Code::Timeout);
const INVALID: Outcome = Err(Code::InvalidResponse);
const TOO_LARGE: Outcome = Err(Code::ResponseTooLarge);

/// Standard streams do not know connections that break.
fn lost_with_a_socket(wire: Wire) -> Option<Outcome> {
    (wire != Wire::Stdio).then_some(LOST)
}

fn over_http(wire: Wire, outcome: Outcome) -> Option<Outcome> {
    wire.is_streamable().then_some(outcome)
}

/// What is no message on a stream is skipped. An answer that is JSON as a whole has nothing else to offer.
fn skipped(wire: Wire) -> Outcome {
    if wire == Wire::Json { INVALID } else { LISTED }
}

fn send(bytes: Vec<u8>) -> Step {
    Step::Send(bytes)
}

fn with_null_error(id: &Value) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(&tools(id)).unwrap();
    answer["error"] = Value::Null;
    serde_json::to_vec(&answer).unwrap()
}

/// An answer in pieces, with pauses.
fn in_pieces(wire: Wire, id: &Value, size: usize) -> Vec<Step> {
    let answer = wire.answer(&[&tools(id)]);
    let pieces = answer.chunks(size);
    pieces
        .flat_map(|piece| [send(piece.to_vec()), ms(1)])
        .collect()
}

/// The beginning of an answer, all but `missing` bytes.
fn cut(wire: Wire, id: &Value, missing: usize) -> Step {
    let mut answer = wire.answer(&[&tools(id)]);
    answer.truncate(answer.len() - missing);
    send(answer)
}

/// More than the limit of the transport.
fn huge(wire: Wire, id_first: bool, id: &Value) -> Vec<u8> {
    let filler = "x".repeat(match wire {
        Wire::Events | Wire::Sse => 6 * MIB,
        Wire::Json | Wire::WebSocket => 20 * MIB,
        Wire::Stdio => STDIO_LINE_BYTES,
    });
    let text = if id_first {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":["{filler}"]}}}}"#)
    } else {
        format!(r#"{{"result":{{"tools":["{filler}"]}},"jsonrpc":"2.0","id":{id}}}"#)
    };
    wire.answer(&[text.as_bytes()])
}

/// Something that is no answer, then the answer.
fn after(wire: Wire, other: &[u8], id: &Value) -> Vec<Step> {
    vec![send(wire.answer(&[other, &tools(id)]))]
}

const CASES: &[Case] = &[
    Case {
        name: "late",
        script: |wire, id| vec![ms(300), send(wire.answer(&[&tools(id)]))],
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "byte by byte",
        script: |wire, id| in_pieces(wire, id, 1),
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "in pieces",
        script: |wire, id| in_pieces(wire, id, 7),
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "reset before anything",
        script: |_, _| vec![Step::Reset],
        outcome: |wire| match wire {
            Wire::Events | Wire::Json => Some(LISTED),
            _ => lost_with_a_socket(wire),
        },
    },
    Case {
        name: "closed before anything",
        script: |_, _| vec![Step::Close],
        outcome: |wire| match wire {
            Wire::Events | Wire::Json => Some(LISTED),
            _ => Some(LOST),
        },
    },
    Case {
        name: "reset within the headers",
        script: |wire, id| {
            let answer = wire.answer(&[&tools(id)]);
            vec![send(answer[..20].to_vec()), Step::Reset]
        },
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "reset within the answer",
        script: |wire, id| vec![cut(wire, id, 30), Step::Reset],
        outcome: |wire| match wire {
            Wire::Stdio => None,
            _ => Some(LOST),
        },
    },
    Case {
        name: "closed within the answer",
        script: |wire, id| vec![cut(wire, id, 30), Step::Close],
        outcome: |_| Some(LOST),
    },
    Case {
        name: "an event without its empty line",
        script: |wire, id| vec![cut(wire, id, 1), Step::Close],
        outcome: |wire| matches!(wire, Wire::Events | Wire::Sse).then_some(LISTED),
    },
    Case {
        name: "answered twice",
        script: |wire, id| vec![send(wire.answer(&[&tools(id), &tools(id)]))],
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "another id",
        script: |wire, _| vec![send(wire.answer(&[&tools(&json!(999))]))],
        outcome: |wire| match wire {
            // Nothing else can come on a response that has ended.
            Wire::Events => Some(LOST),
            Wire::Json => Some(INVALID),
            _ => Some(SILENT),
        },
    },
    Case {
        name: "another id before the answer",
        script: |wire, id| after(wire, &tools(&json!(999)), id),
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "the id as text",
        script: |wire, id| vec![send(wire.answer(&[&tools(&json!(id.to_string()))]))],
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "an unknown notification before the answer",
        script: |wire, id| {
            let other = br#"{"jsonrpc":"2.0","method":"notifications/unknown","params":{"a":1}}"#;
            after(wire, other, id)
        },
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "an unknown request before the answer",
        script: |wire, id| {
            let other = br#"{"jsonrpc":"2.0","id":7,"method":"unknown/method","params":{}}"#;
            after(wire, other, id)
        },
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "an error without an id before the answer",
        script: |wire, id| {
            let other = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}"#;
            after(wire, other, id)
        },
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "invalid JSON before the answer",
        script: |wire, id| after(wire, b"{oops", id),
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "JSON of another kind before the answer",
        script: |wire, id| after(wire, br#"{"jsonrpc":"1.0","id":[1]}"#, id),
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "JSON without end before the answer",
        script: |wire, id| after(wire, "[".repeat(10_000).as_bytes(), id),
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "invalid UTF-8 before the answer",
        script: |wire, id| after(wire, b"\xC3\x28\xFF", id),
        outcome: |wire| Some(skipped(wire)),
    },
    Case {
        name: "an error without an id, and nothing else",
        script: |wire, _| {
            let text = br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"exploded"}}"#;
            vec![send(wire.answer(&[text]))]
        },
        outcome: |_| Some(Err(Code::ServerError)),
    },
    Case {
        name: "an error with the id null, and nothing else",
        script: |wire, _| {
            let text =
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"exploded"}}"#;
            vec![send(wire.answer(&[text]))]
        },
        outcome: |_| Some(Err(Code::ServerError)),
    },
    Case {
        name: "a result beside the error null",
        script: |wire, id| vec![send(wire.answer(&[&with_null_error(id)]))],
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "an answer in an array",
        script: |wire, id| vec![send(wire.answer(&[&[b"[", &*tools(id), b"]"].concat()]))],
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "a byte order mark",
        script: |wire, id| {
            let text = [b"\xEF\xBB\xBF", &*tools(id)].concat();
            vec![send(wire.answer(&[&text]))]
        },
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "lines that end with a carriage return, too",
        script: |wire, id| match wire {
            Wire::Events | Wire::Sse => {
                let mut answer = wire.answer(&[]);
                answer.extend([b"data: ", &*tools(id), b"\r\n\r\n"].concat());
                vec![send(answer)]
            }
            _ => vec![send(wire.answer(&[&[&*tools(id), b"\r"].concat()]))],
        },
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "heartbeats before the answer",
        script: |wire, id| {
            let mut answer = wire.answer(&[]);
            answer
                .extend(b": beat\n\nevent: ping\ndata: ping\n\ndata: {\"type\":\"connected\"}\n\n");
            answer.extend(wire.message(&tools(id)));
            vec![send(answer)]
        },
        outcome: |wire| matches!(wire, Wire::Events | Wire::Sse).then_some(LISTED),
    },
    Case {
        name: "JSON under another content type",
        script: |_, id| {
            vec![send(response(
                "200 OK",
                "text/plain; charset=utf-8",
                &tools(id),
            ))]
        },
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "events under another content type",
        script: |_, id| {
            let events = Wire::Events.message(&tools(id));
            vec![send(response(
                "200 OK",
                "application/octet-stream",
                &events,
            ))]
        },
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "events called JSON",
        script: |_, id| {
            let events = Wire::Events.message(&tools(id));
            vec![send(response("200 OK", "application/json", &events))]
        },
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "JSON called events",
        script: |_, id| vec![send(response("200 OK", "text/event-stream", &tools(id)))],
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "an answer that was only to be accepted",
        script: |_, id| {
            vec![send(response(
                "202 Accepted",
                "application/json",
                &tools(id),
            ))]
        },
        outcome: |wire| over_http(wire, LISTED),
    },
    Case {
        name: "the id as a floating-point number",
        script: |wire, id| {
            let text = String::from_utf8(tools(id)).unwrap();
            let text = text.replace(&format!("\"id\":{id}"), &format!("\"id\":{id}.0"));
            assert!(text.contains(".0"));
            vec![send(wire.answer(&[text.as_bytes()]))]
        },
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "a byte that is no UTF-8 within the answer",
        script: |wire, id| {
            let mut text = tools(id);
            let at = text.windows(6).position(|it| it == b"object").unwrap();
            text[at] = 0xE4;
            vec![send(wire.answer(&[&text]))]
        },
        outcome: |_| Some(LISTED),
    },
    Case {
        name: "a notification refused before the answer",
        script: |wire, id| {
            let refusal = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"?"}}"#;
            vec![
                send(wire.message(refusal)),
                ms(1500),
                send(wire.message(&tools(id))),
            ]
        },
        outcome: |wire| (!wire.is_streamable()).then_some(LISTED),
    },
    Case {
        name: "a tools/list result that is none",
        script: |wire, id| {
            let text = json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": "none" } });
            vec![send(wire.answer(&[text.to_string().as_bytes()]))]
        },
        outcome: |_| Some(INVALID),
    },
    Case {
        name: "slower than any reader waits for",
        script: |wire, id| {
            let answer = wire.answer(&[&tools(id)]);
            let drip = |byte: &u8| [send(vec![*byte]), ms(100)];
            answer.iter().flat_map(drip).collect()
        },
        outcome: |wire| (wire != Wire::Stdio).then_some(SILENT),
    },
    Case {
        name: "never",
        script: |wire, _| match wire {
            // The connection would end with the answer.
            Wire::Events => vec![ms(60_000)],
            _ => vec![ms(0)],
        },
        outcome: |_| Some(SILENT),
    },
    Case {
        name: "an HTML page",
        script: |_, _| vec![send(response("200 OK", "text/html", b"<html>hello</html>"))],
        outcome: |wire| over_http(wire, INVALID),
    },
    Case {
        name: "no content type",
        script: |_, _| {
            vec![send(
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
            )]
        },
        outcome: |wire| over_http(wire, INVALID),
    },
    Case {
        name: "an empty body",
        script: |_, _| vec![send(response("200 OK", "application/json", b""))],
        outcome: |wire| over_http(wire, INVALID),
    },
    Case {
        name: "a body shorter than announced",
        script: |_, _| {
            let head =
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
            vec![send(head.to_vec()), Step::Close]
        },
        outcome: |wire| over_http(wire, LOST),
    },
    Case {
        name: "no HTTP at all",
        script: |_, _| vec![send(b"\x16\x03\x01 hello\r\n\r\n".to_vec()), Step::Close],
        outcome: |wire| over_http(wire, LOST),
    },
    Case {
        name: "HTTP 429",
        script: |_, _| vec![send(response("429 Too Many Requests", "text/plain", b""))],
        outcome: |wire| over_http(wire, Err(Code::RateLimited)),
    },
    Case {
        name: "HTTP 401",
        script: |_, _| vec![send(response("401 Unauthorized", "text/plain", b""))],
        outcome: |wire| over_http(wire, Err(Code::AuthorizationRequired)),
    },
    Case {
        name: "HTTP 502 with an HTML page",
        script: |_, _| vec![send(response("502 Bad Gateway", "text/html", b"<html>"))],
        outcome: |wire| over_http(wire, Err(Code::HttpStatus)),
    },
    Case {
        name: "a binary frame",
        script: |_, id| vec![send(frame(0x82, &tools(id)))],
        outcome: |wire| (wire == Wire::WebSocket).then_some(LISTED),
    },
    Case {
        name: "fragments around a ping",
        script: |_, id| {
            let text = tools(id);
            let (start, end) = text.split_at(9);
            let parts = [frame(0x01, start), frame(0x89, b"?"), frame(0x80, end)];
            vec![send(parts.concat())]
        },
        outcome: |wire| (wire == Wire::WebSocket).then_some(LISTED),
    },
    Case {
        name: "a masked frame",
        script: |_, _| vec![send(b"\x81\x82abcdxy".to_vec())],
        outcome: |wire| (wire == Wire::WebSocket).then_some(LOST),
    },
    Case {
        name: "a close frame",
        script: |_, _| vec![send(frame(0x88, b"\x03\xE9going"))],
        outcome: |wire| (wire == Wire::WebSocket).then_some(LOST),
    },
    Case {
        name: "lines that no standard knows before the answer",
        script: |wire, id| {
            let odd = b": comment\nfoo: bar\nevent: x\nevent: message\nid\nretry: soon\n".to_vec();
            let mut answer = wire.answer(&[]);
            answer.extend(odd);
            answer.extend(wire.message(&tools(id)));
            vec![send(answer)]
        },
        outcome: |wire| matches!(wire, Wire::Events | Wire::Sse).then_some(LISTED),
    },
];

/// Cases that keep a processor busy, so that they run one at a time.
const HUGE: &[Case] = &[
    Case {
        name: "a huge answer, its id first",
        script: |wire, id| vec![send(huge(wire, true, id))],
        outcome: |_| Some(TOO_LARGE),
    },
    Case {
        name: "a huge answer, its id last",
        script: |wire, id| vec![send(huge(wire, false, id))],
        outcome: |_| Some(TOO_LARGE),
    },
];

/// Whether the connection outlives the fault.
fn stays(wire: Wire, outcome: Outcome) -> bool {
    !matches!(wire, Wire::WebSocket | Wire::Stdio) || outcome != LOST
}

/// Runs a case and tells what is wrong.
async fn run(case: &Case, wire: Wire, expected: Outcome) -> Option<String> {
    let running = timeout(BOUND, run_unbounded(case, wire, expected));
    running
        .await
        .unwrap_or_else(|_| Some(format!("{} over {wire:?}: it hangs", case.name)))
}

async fn run_unbounded(case: &Case, wire: Wire, expected: Outcome) -> Option<String> {
    let server = match wire {
        Wire::Stdio => None,
        _ => Some(Server::start(wire, case.script).await),
    };
    let config = server
        .as_ref()
        .map_or_else(|| stdio_config(case.script), Server::config);
    let mut recipe = recipe(config);
    if wire == Wire::Stdio {
        Arc::make_mut(&mut recipe.settings).response.max_line_bytes = STDIO_LINE_BYTES;
    }
    let wrong = |what: String| Some(format!("{} over {wire:?}: {what}", case.name));
    let connection = match open(&recipe).await {
        Ok(connection) => connection,
        Err(error) => return wrong(format!("no connection: {error}")),
    };

    let seconds = if expected == SILENT {
        SILENT_SECONDS
    } else {
        SECONDS
    };
    let outcome = list(&connection, seconds).await.map(drop);
    if outcome != expected {
        return wrong(format!("{outcome:?} instead of {expected:?}"));
    }

    let next = if stays(wire, expected) {
        list(&connection, SECONDS).await
    } else {
        until(case.name, || connection.is_closed()).await;
        if wire == Wire::Stdio {
            return None;
        }
        let second = open(&recipe).await.unwrap();
        let next = list(&second, SECONDS).await;
        second.close().await;
        next
    };
    if let Err(code) = next {
        return wrong(format!("the next call: {code:?}"));
    }

    connection.close().await;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_an_answer() {
    let mut wrong = Vec::new();
    for wire in EVERY_WIRE {
        let runs = CASES
            .iter()
            .filter_map(|case| Some(run(case, wire, (case.outcome)(wire)?)));
        wrong.extend(join_all(runs).await.into_iter().flatten());
        for case in HUGE {
            if let Some(expected) = (case.outcome)(wire) {
                wrong.extend(run(case, wire, expected).await);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
