//! What is wrong around a message: HTTP, events and frames.

use librechat_mcp_native::error::Code;

use super::answers::cut;
use super::support::server::tools;
use super::support::wire::{Step, Wire, frame, response};
use super::{Case, case, invalid, listed, lost, send};

fn respond(status: &str, kind: &str, body: &[u8]) -> Vec<Step> {
    vec![send(response(status, kind, body))]
}

/// Over Streamable HTTP.
pub const HTTP: &[Case] = &[
    case("reset within the headers", listed, |wire, id| {
        let answer = wire.answer(&[&tools(id)]);
        vec![send(answer[..20].to_vec()), Step::Reset]
    }),
    case("JSON under another content type", listed, |_, id| {
        respond("200 OK", "text/plain; charset=utf-8", &tools(id))
    }),
    case("events under another content type", listed, |_, id| {
        let events = Wire::Events.message(&tools(id));
        respond("200 OK", "application/octet-stream", &events)
    }),
    case("events called JSON", listed, |_, id| {
        let events = Wire::Events.message(&tools(id));
        respond("200 OK", "application/json", &events)
    }),
    case("JSON called events", listed, |_, id| {
        respond("200 OK", "text/event-stream", &tools(id))
    }),
    case("an answer that was only to be accepted", listed, |_, id| {
        respond("202 Accepted", "application/json", &tools(id))
    }),
    case("an HTML page", invalid, |_, _| {
        respond("200 OK", "text/html", b"<html>hello</html>")
    }),
    case("no content type", invalid, |_, _| {
        vec![send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
        )]
    }),
    case("an empty body", invalid, |_, _| {
        respond("200 OK", "application/json", b"")
    }),
    case("a body shorter than announced", lost, |_, _| {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
        vec![send(head.to_vec()), Step::Close]
    }),
    case("no HTTP at all", lost, |_, _| {
        vec![send(b"\x16\x03\x01 hello\r\n\r\n".to_vec()), Step::Close]
    }),
    case(
        "HTTP 429",
        |_| Err(Code::RateLimited),
        |_, _| respond("429 Too Many Requests", "text/plain", b""),
    ),
    case(
        "HTTP 401",
        |_| Err(Code::AuthorizationRequired),
        |_, _| respond("401 Unauthorized", "text/plain", b""),
    ),
    case(
        "HTTP 502 with an HTML page",
        |_| Err(Code::HttpStatus),
        |_, _| respond("502 Bad Gateway", "text/html", b"<html>"),
    ),
];

/// In a stream of events.
pub const EVENTS: &[Case] = &[
    case("an event without its empty line", listed, |wire, id| {
        vec![cut(wire, id, 1), Step::Close]
    }),
    case("heartbeats before the answer", listed, |wire, id| {
        let mut answer = wire.answer(&[]);
        answer.extend(b": beat\n\nevent: ping\ndata: ping\n\ndata: {\"type\":\"connected\"}\n\n");
        answer.extend(wire.message(&tools(id)));
        vec![send(answer)]
    }),
    case(
        "lines that no standard knows before the answer",
        listed,
        |wire, id| {
            let odd = b": comment\nfoo: bar\nevent: x\nevent: message\nid\nretry: soon\n".to_vec();
            let mut answer = wire.answer(&[]);
            answer.extend(odd);
            answer.extend(wire.message(&tools(id)));
            vec![send(answer)]
        },
    ),
];

/// On a WebSocket.
pub const FRAMES: &[Case] = &[
    case("a binary frame", listed, |_, id| {
        vec![send(frame(0x82, &tools(id)))]
    }),
    case("fragments around a ping", listed, |_, id| {
        let text = tools(id);
        let (start, end) = text.split_at(9);
        let parts = [frame(0x01, start), frame(0x89, b"?"), frame(0x80, end)];
        vec![send(parts.concat())]
    }),
    case("a masked frame", lost, |_, _| {
        vec![send(b"\x81\x82abcdxy".to_vec())]
    }),
    case("a close frame", lost, |_, _| {
        vec![send(frame(0x88, b"\x03\xE9going"))]
    }),
];
