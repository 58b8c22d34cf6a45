//! Answers that any server can send.

use librechat_mcp_native::error::Code;
use serde_json::{Value, json};

use super::support::server::{ms, tools};
use super::support::wire::{Step, Wire};
use super::{
    Case, INVALID, LISTED, LOST, Outcome, SILENT, STDIO_LINE_BYTES, case, invalid, listed, lost,
    send, silent,
};

const MIB: usize = 1024 * 1024;

/// What is no message on a stream is skipped. An answer that is JSON as a whole has nothing else to offer.
fn skipped(wire: Wire) -> Outcome {
    if wire == Wire::Json { INVALID } else { LISTED }
}

/// What a response did not begin to answer is asked for again; on a stream it may have run.
fn sent_again(wire: Wire) -> Outcome {
    if wire.is_streamable() { LISTED } else { LOST }
}

fn refused(_: Wire) -> Outcome {
    Err(Code::ServerError)
}

fn too_large(_: Wire) -> Outcome {
    Err(Code::ResponseTooLarge)
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
pub fn cut(wire: Wire, id: &Value, missing: usize) -> Step {
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

fn only(wire: Wire, text: &[u8]) -> Vec<Step> {
    vec![send(wire.answer(&[text]))]
}

/// Something that is no answer, then the answer.
fn after(wire: Wire, other: &[u8], id: &Value) -> Vec<Step> {
    vec![send(wire.answer(&[other, &tools(id)]))]
}

/// On every transport.
pub const EVERYWHERE: &[Case] = &[
    case("late", listed, |wire, id| {
        vec![ms(300), send(wire.answer(&[&tools(id)]))]
    }),
    case("byte by byte", listed, |wire, id| in_pieces(wire, id, 1)),
    case("in pieces", listed, |wire, id| in_pieces(wire, id, 7)),
    case("closed before anything", sent_again, |_, _| {
        vec![Step::Close]
    }),
    case("closed within the answer", lost, |wire, id| {
        vec![cut(wire, id, 30), Step::Close]
    }),
    case("answered twice", skipped, |wire, id| {
        vec![send(wire.answer(&[&tools(id), &tools(id)]))]
    }),
    case(
        "another id",
        |wire| match wire {
            // Nothing else can come on a response that has ended.
            Wire::Events => LOST,
            Wire::Json => INVALID,
            _ => SILENT,
        },
        |wire, _| only(wire, &tools(&json!(999))),
    ),
    case("another id before the answer", skipped, |wire, id| {
        after(wire, &tools(&json!(999)), id)
    }),
    case("the id as text", listed, |wire, id| {
        only(wire, &tools(&json!(id.to_string())))
    }),
    case(
        "an unknown notification before the answer",
        skipped,
        |wire, id| {
            let other = br#"{"jsonrpc":"2.0","method":"notifications/unknown","params":{"a":1}}"#;
            after(wire, other, id)
        },
    ),
    case(
        "an unknown request before the answer",
        skipped,
        |wire, id| {
            let other = br#"{"jsonrpc":"2.0","id":7,"method":"unknown/method","params":{}}"#;
            after(wire, other, id)
        },
    ),
    case(
        "an error without an id before the answer",
        skipped,
        |wire, id| {
            let other = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}"#;
            after(wire, other, id)
        },
    ),
    case("invalid JSON before the answer", skipped, |wire, id| {
        after(wire, b"{oops", id)
    }),
    case(
        "JSON of another kind before the answer",
        skipped,
        |wire, id| after(wire, br#"{"jsonrpc":"1.0","id":[1]}"#, id),
    ),
    case("JSON without end before the answer", skipped, |wire, id| {
        after(wire, "[".repeat(10_000).as_bytes(), id)
    }),
    case("invalid UTF-8 before the answer", skipped, |wire, id| {
        after(wire, b"\xC3\x28\xFF", id)
    }),
    case(
        "an error without an id, and nothing else",
        refused,
        |wire, _| {
            let text = br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"exploded"}}"#;
            only(wire, text)
        },
    ),
    case(
        "an error with the id null, and nothing else",
        refused,
        |wire, _| {
            let text =
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"exploded"}}"#;
            only(wire, text)
        },
    ),
    case("a result beside the error null", listed, |wire, id| {
        only(wire, &with_null_error(id))
    }),
    case("an answer in an array", listed, |wire, id| {
        only(wire, &[b"[", &*tools(id), b"]"].concat())
    }),
    case("a byte order mark", listed, |wire, id| {
        let text = [b"\xEF\xBB\xBF", &*tools(id)].concat();
        only(wire, &text)
    }),
    case(
        "lines that end with a carriage return, too",
        listed,
        |wire, id| match wire {
            Wire::Events | Wire::Sse => {
                let mut answer = wire.answer(&[]);
                answer.extend([b"data: ", &*tools(id), b"\r\n\r\n"].concat());
                vec![send(answer)]
            }
            _ => only(wire, &[&*tools(id), b"\r"].concat()),
        },
    ),
    case("the id as a floating-point number", listed, |wire, id| {
        let text = String::from_utf8(tools(id)).unwrap();
        let text = text.replace(&format!("\"id\":{id}"), &format!("\"id\":{id}.0"));
        assert!(text.contains(".0"));
        only(wire, text.as_bytes())
    }),
    case(
        "a byte that is no UTF-8 within the answer",
        listed,
        |wire, id| {
            let mut text = tools(id);
            let at = text.windows(6).position(|it| it == b"object").unwrap();
            text[at] = 0xE4;
            only(wire, &text)
        },
    ),
    case("a tools/list result that is none", invalid, |wire, id| {
        let text = json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": "none" } });
        only(wire, text.to_string().as_bytes())
    }),
    case("never", silent, |wire, _| match wire {
        // The connection would end with the answer.
        Wire::Events => vec![ms(60_000)],
        _ => vec![ms(0)],
    }),
];

/// Where connections can break, or be slow.
pub const SOCKETS: &[Case] = &[
    case("reset before anything", sent_again, |_, _| {
        vec![Step::Reset]
    }),
    case("reset within the answer", lost, |wire, id| {
        vec![cut(wire, id, 30), Step::Reset]
    }),
    case("slower than any reader waits for", silent, |wire, id| {
        let answer = wire.answer(&[&tools(id)]);
        let drip = |byte: &u8| [send(vec![*byte]), ms(100)];
        answer.iter().flat_map(drip).collect()
    }),
];

/// Where nothing ends an answer but another message.
pub const DUPLEX: &[Case] = &[case(
    "a notification refused before the answer",
    listed,
    |wire, id| {
        let refusal = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"?"}}"#;
        vec![
            send(wire.message(refusal)),
            ms(1500),
            send(wire.message(&tools(id))),
        ]
    },
)];

/// Cases that keep a processor busy, so that they run one at a time.
pub const HUGE: &[Case] = &[
    case("a huge answer, its id first", too_large, |wire, id| {
        vec![send(huge(wire, true, id))]
    }),
    case("a huge answer, its id last", too_large, |wire, id| {
        vec![send(huge(wire, false, id))]
    }),
];
