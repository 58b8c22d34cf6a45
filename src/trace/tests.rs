mod secrets;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use url::Url;

use super::lines;
use super::members::REDACTED;
use super::queue::Queue;
use super::record::{Asked, Event, LONGEST, Phase, Purpose, Record, Who, detail};
use super::redact::Redactor;
use crate::foreign_text::SentSecrets;

const KEY: &str = "key+of/somebody~123";

fn record(event: Event) -> Record {
    let mut secrets = SentSecrets::default();
    secrets.add(KEY);
    let (server, user) = (Some("srv".to_owned()), None);
    let who = Arc::new(Who {
        server,
        user,
        secrets,
    });
    let at = SystemTime::UNIX_EPOCH;
    Record {
        at,
        who,
        asked: None,
        event,
    }
}

fn told(redactor: &mut Redactor, event: Event) -> Value {
    serde_json::from_str(&lines::of(&record(event), redactor)).unwrap()
}

fn http(redactor: &mut Redactor, purpose: Purpose, phase: Phase) -> Value {
    told(
        redactor,
        Event::Http {
            id: 7,
            purpose,
            phase,
        },
    )
}

fn request(redactor: &mut Redactor, asked: Asked) -> Value {
    let (id, purpose, phase) = (7, Purpose::Token, Phase::Request);
    let mut record = record(Event::Http { id, purpose, phase });
    record.asked = Some(Arc::new(asked));
    serde_json::from_str(&lines::of(&record, redactor)).unwrap()
}

fn message(text: &[u8]) -> Event {
    Event::Message {
        is_sent: false,
        transport: "stdio",
        connection: 1,
        exchange: 0,
        text: text.to_vec(),
        bytes: text.len(),
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

#[test]
fn messages_are_told_without_what_their_server_was_given() {
    let each = |write: fn(u8) -> String| KEY.bytes().map(write).collect::<Vec<_>>().concat();
    let hex = each(|byte| format!("{byte:02x}"));
    let percent = each(|byte| format!("%{byte:02X}"));
    let forms = [
        KEY.to_owned(),
        KEY[2..16].to_owned(),
        percent,
        hex,
        STANDARD.encode(KEY),
        STANDARD.encode(format!("x{KEY}")),
        KEY.replace('/', "\\/"),
    ];
    for form in forms {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "result": { "a": [form], &*form: 1 } });
        let line = lines::of(
            &record(message(text.to_string().as_bytes())),
            &mut Redactor::default(),
        );
        assert!(!line.contains(&form), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(
            line["message"]["result"]["a"][0]
                .as_str()
                .unwrap()
                .contains(REDACTED),
            "{line}"
        );
    }
}

#[test]
fn a_record_is_one_line_that_says_whose_it_is() {
    let mut line = told(
        &mut Redactor::default(),
        message(b"\xEF\xBB\xBF {\"a\":\n1}"),
    );
    let process = line.as_object_mut().unwrap().remove("process").unwrap();
    assert_eq!(process.as_str().unwrap().len(), 8);
    assert_eq!(
        line,
        json!({
            "v": 1, "at": "1970-01-01T00:00:00.000000Z", "server": "srv", "user": null, "kind": "message",
            "direction": "received", "transport": "stdio", "connection": 1, "message": { "a": 1 }, "bytes": 12,
        })
    );
    let line = told(
        &mut Redactor::default(),
        message(format!("hello\n{KEY}").as_bytes()),
    );
    assert_eq!(line["text"], format!("hello\n{REDACTED}"));
    let long = told(
        &mut Redactor::default(),
        message(&vec![b'x'; LONGEST + 100]),
    );
    assert_eq!(long["text"].as_str().map(str::len), Some(LONGEST));
    assert_eq!(long["bytes"], LONGEST + 100);
}

#[test]
fn arguments_and_results_are_told() {
    let text = br#"{"code":"print(1)","state":"NY","apiKey":"abc","_meta":{"progressToken":"p"},"n":1.50}"#;
    let line = told(&mut Redactor::default(), message(text));
    assert_eq!(
        line["message"],
        json!({
            "code": "print(1)", "state": "NY", "apiKey": REDACTED, "_meta": { "progressToken": "p" }, "n": 1.5,
        })
    );
}

#[test]
fn requests_are_told_without_their_secrets() {
    let mut redactor = Redactor::default();
    let secret = [HeaderName::from_static("x-tenant")];
    let asked = Asked {
        method: Method::POST,
        url: Url::parse("https://me:password1234@as.test/token?state=state-1234&a=b#x").unwrap(),
        headers: headers(&[
            (
                "authorization",
                "Basic Y2xpZW50OmhpZGRlbi1jbGllbnQtc2VjcmV0",
            ),
            ("x-tenant", "tenant-of-somebody"),
            ("dpop", "eyJ"),
            ("content-type", "application/x-www-form-urlencoded"),
        ]),
        secret_headers: secret.to_vec(),
        body: Bytes::from_static(
            b"grant_type=authorization_code&code=c0de&token_type_hint=access_token&scope=a+b",
        ),
    };
    let line = request(&mut redactor, asked);
    let url = format!("https://redacted:redacted@as.test/token?state={REDACTED}&a=b#x");
    assert_eq!(line["url"], url);
    assert_eq!(
        line["headers"]["authorization"],
        format!("Basic {REDACTED}")
    );
    assert_eq!(line["headers"]["x-tenant"], REDACTED);
    assert_eq!(line["headers"]["dpop"], REDACTED);
    let body = format!(
        "grant_type=authorization_code&code={REDACTED}&token_type_hint=access_token&scope=a b"
    );
    assert_eq!(line["body"], body);
    let failed = Phase::Failed {
        after: std::time::Duration::from_micros(1500),
        code: "MCP_TIMEOUT",
        message: "hidden-client-secret, tenant-of-somebody, state-1234 and password1234".to_owned(),
    };
    let line = http(&mut redactor, Purpose::Token, failed);
    let message = format!("{REDACTED}, {REDACTED}, {REDACTED} and {REDACTED}");
    assert_eq!(
        line["error"],
        json!({ "code": "MCP_TIMEOUT", "message": message })
    );
    assert_eq!(line["ms"], 1.5);
}

#[test]
fn what_a_server_gives_is_a_secret_from_then_on() {
    let mut redactor = Redactor::default();
    let end = |body: &[u8], grants| Phase::End {
        after: std::time::Duration::ZERO,
        bytes: body.len(),
        body: body.to_vec(),
        grants,
    };
    let body = br#"{"access_token":"token-of-somebody","token_type":"Bearer"}"#;
    let line = http(&mut redactor, Purpose::Token, end(body, true));
    let told_of: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        told_of,
        json!({ "access_token": REDACTED, "token_type": "Bearer" })
    );
    let line = http(
        &mut redactor,
        Purpose::Token,
        end(b"{\"access_token\":\"other", true),
    );
    assert_eq!(line["body"], REDACTED);
    let line = http(
        &mut redactor,
        Purpose::Token,
        end(b"<p>token-of-somebody is bad", false),
    );
    assert_eq!(line["body"], format!("<p>{REDACTED} is bad"));

    let phase = Phase::Response {
        after: std::time::Duration::ZERO,
        status: 302,
        headers: headers(&[
            ("location", "/next?code=c0de&a=b"),
            ("set-cookie", "sid=cookie-of-somebody; Path=/"),
            ("www-authenticate", "Bearer error=\"token-of-somebody\""),
            ("mcp-session-id", "1"),
            ("server", "x"),
        ]),
    };
    let line = http(&mut redactor, Purpose::Mcp, phase);
    assert_eq!(
        line["headers"],
        json!({
            "location": format!("/next?code={REDACTED}&a=b"),
            "set-cookie": REDACTED,
            "www-authenticate": format!("Bearer error=\"{REDACTED}\""),
            "mcp-session-id": REDACTED,
            "server": "x",
        })
    );
    let step = Event::Step {
        step: "retry",
        details: detail("error", &"cookie-of-somebody was sent"),
    };
    let line = told(&mut redactor, step);
    assert_eq!(
        line["details"],
        json!({ "error": format!("{REDACTED} was sent") })
    );
}

#[test]
fn secrets_in_use_are_kept_and_others_make_room() {
    let mut redactor = Redactor::default();
    for number in 0..1000 {
        let mut secrets = SentSecrets::default();
        secrets.add(KEY);
        secrets.add(format!("secret number {number} of many").as_str());
        redactor.learn(&secrets);
    }
    assert_eq!(redactor.text(KEY), REDACTED);
    assert_eq!(redactor.text("secret number 999 of many"), REDACTED);
}

#[test]
fn what_waits_is_bounded_and_what_is_lost_is_counted() {
    let (records, received) = channel();
    let queue = Queue {
        records,
        state: Arc::default(),
    };
    for _ in 0..200 {
        queue.push(record(message(&vec![b'x'; LONGEST])));
    }
    let waiting = received.try_iter().count();
    assert!(waiting > 100, "{waiting}");
    assert_eq!(queue.state.lost(), 200 - waiting);
    assert_eq!(queue.state.lost(), 0);
    assert!(!queue.state.is_idle());
    let line: Value = serde_json::from_str(&lines::lost(3)).unwrap();
    assert_eq!((&line["kind"], &line["count"]), (&json!("lost"), &json!(3)));
}
