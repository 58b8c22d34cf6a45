//! Records as lines of JSON (docs/trace.md).

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use http::{HeaderMap, HeaderName};

use super::json::Object;
use super::members::REDACTED;
use super::record::{Asked, Event, LONGEST, Phase, Purpose, Record};
use super::redact::{Kind, Redactor};

/// One object, without the line break.
pub(super) type Line = String;

/// Of the format.
const VERSION: u8 = 1;

/// Tells records of processes apart that share a file: each counts its exchanges and connections from 1.
static PROCESS: LazyLock<String> = LazyLock::new(|| format!("{:08x}", rand::random::<u32>()));

pub(super) fn lost(count: usize) -> Line {
    let mut line = Object::new();
    line.raw("v", &VERSION);
    line.text("at", &time(SystemTime::now()));
    line.text("kind", "lost").raw("count", &count);
    line.end()
}

pub(super) fn of(record: &Record, redactor: &mut Redactor) -> Line {
    redactor.make_room();
    redactor.learn(&record.who.secrets);
    if let Some(asked) = &record.asked {
        redactor.learn_request(asked);
    }
    let mut line = Object::new();
    line.raw("v", &VERSION);
    line.text("at", &time(record.at)).text("process", &PROCESS);
    line.optional("server", record.who.server.as_deref());
    line.optional("user", record.who.user.as_deref());
    match &record.event {
        Event::Http { id, purpose, phase } => {
            line.text("kind", "http").raw("id", id);
            http(
                &mut line,
                phase,
                (*purpose, record.asked.as_deref()),
                redactor,
            );
        }
        Event::Message {
            is_sent,
            transport,
            connection,
            exchange,
            text,
            bytes,
        } => {
            let direction = if *is_sent { "sent" } else { "received" };
            line.text("kind", "message").text("direction", direction);
            line.text("transport", transport)
                .raw("connection", connection);
            if *exchange > 0 {
                line.raw("exchange", exchange);
            }
            let text = String::from_utf8_lossy(text);
            let text = text.trim_start_matches('\u{feff}').trim();
            match redactor
                .json(text, Kind::Message)
                .filter(|_| *bytes <= LONGEST)
            {
                Some(message) => line.raw("message", &message),
                None => line.text(
                    "text",
                    &beginning(redactor.text_with_members(text, Kind::Message)),
                ),
            };
            line.raw("bytes", bytes);
        }
        Event::Step { step, details } => {
            line.text("kind", "step").text("step", step);
            if !details.is_empty() {
                let mut members = Object::new();
                for (name, value) in details {
                    match *name {
                        "attempt" | "pid" => members.raw(name, value),
                        "url" => members.text(name, &redactor.link(value)),
                        _ => members.text(name, &redactor.text(value)),
                    };
                }
                line.raw("details", &members.end());
            }
        }
    }
    line.end()
}

fn http(
    line: &mut Object,
    phase: &Phase,
    (purpose, asked): (Purpose, Option<&Asked>),
    redactor: &mut Redactor,
) {
    let name = match phase {
        Phase::Request => "request",
        Phase::Response { .. } => "response",
        Phase::End { .. } => "end",
        Phase::Failed { .. } => "failed",
    };
    line.text("phase", name).text("purpose", purpose.as_str());
    match phase {
        Phase::Request => {
            let Some(asked) = asked else { return };
            line.text("method", asked.method.as_str());
            line.text("url", &redactor.url(&asked.url));
            headers(line, &asked.headers, &asked.secret_headers, redactor);
            if !asked.body.is_empty() {
                line.text("body", &beginning(redactor.body_of(asked)));
            }
        }
        Phase::Response {
            after,
            status,
            headers: got,
        } => {
            redactor.learn_answer(got);
            line.raw("status", status);
            headers(line, got, &[], redactor);
            line.raw("ms", &ms(*after));
        }
        Phase::End {
            after,
            bytes,
            body,
            grants,
        } => {
            line.raw("ms", &ms(*after)).raw("bytes", bytes);
            if !body.is_empty() {
                // Of tokens that nothing says the names of, nothing is told.
                let told = match (grants, purpose) {
                    (false, _) => Some(redactor.body(body, Kind::Answer)),
                    (true, Purpose::Registration) => {
                        redactor.json(&String::from_utf8_lossy(body), Kind::Answer)
                    }
                    (true, _) => redactor.json(&String::from_utf8_lossy(body), Kind::Grant),
                };
                line.text("body", &told.map_or_else(|| REDACTED.to_owned(), beginning));
            }
        }
        Phase::Failed {
            after,
            code,
            message,
        } => {
            line.raw("ms", &ms(*after));
            let mut error = Object::new();
            error
                .text("code", code)
                .text("message", &redactor.text(message));
            line.raw("error", &error.end());
        }
    }
}

/// Those of one name as one, as Node has them.
fn headers(line: &mut Object, all: &HeaderMap, secret: &[HeaderName], redactor: &mut Redactor) {
    let mut members = Object::new();
    for name in all.keys() {
        let values = all.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| redactor.header(name, value, secret))
            .collect();
        // Whoever answers makes up names, too.
        members.text(&redactor.text(name.as_str()), &values.join(", "));
    }
    line.raw("headers", &members.end());
}

/// At most [`LONGEST`] bytes.
fn beginning(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        // Not half a mark.
        let ends = text
            .rfind('‹')
            .filter(|&at| !text[at..].contains('›') && text.len() - at < REDACTED.len());
        if let Some(at) = ends {
            text.truncate(at);
        }
    }
    text
}

/// With three digits after the point.
#[must_use]
pub fn ms(after: Duration) -> f64 {
    (after.as_secs_f64() * 1e6).round() / 1000.0
}

/// ISO 8601, in UTC and with microseconds.
#[must_use]
pub fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    // Without a fraction, which would be as long as it likes.
    format!("{:?}.{:06}Z", date.naive_utc(), since.subsec_micros())
}
