//! Whether a config may be stored: `LibreChat`'s published schemas (`packages/data-provider/src/mcp.ts`), rule by rule.
//!
//! A config is good if it fits one of the transports. If it fits none, the problems told are those with the transport
//! that it seems to be meant for; the schemas tell those of all of them.

mod author;
mod fields;
mod report;

pub use author::Author;
pub use report::{Issue, PathPart};

use serde_json::{Map, Value};
use url::Url;

use super::tls::{PLAIN, is_without_tls};
use crate::environment::Environment;
use fields::{base, headers, oauth_of_user, server_managed};
use report::{Report, received};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Stdio,
    WebSocket,
    Sse,
    StreamableHttp,
}

impl Variant {
    const fn types(self) -> &'static [&'static str] {
        match self {
            Self::Stdio => &["stdio"],
            Self::WebSocket => &["websocket"],
            Self::Sse => &["sse"],
            Self::StreamableHttp => &["streamable-http", "http"],
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::WebSocket => "WebSocket",
            Self::Sse => "SSE",
            Self::StreamableHttp => "Streamable HTTP",
        }
    }
}

/// A config to be judged.
pub struct Input<'a> {
    pub config: &'a Value,
    pub author: Author,
    /// What is wrong with the object that `config` was read from, such as members that it inherits.
    pub unreadable: &'a [Issue],
    /// The variables that an administrator's texts name ([`env_references`](super::env_references)).
    pub environment: &'a Environment,
}

/// The config that may be stored: the members that its transport's schema knows, with defaults and variables filled in
/// as the schemas do. Else what is wrong with it.
///
/// In a user's config a member that the schema does not know is wrong too. The schemas strip it without a word, and
/// then a host that stores what it was sent stores a `command` beside the URL that was checked.
pub fn parse(input: &Input<'_>) -> Result<Map<String, Value>, Vec<Issue>> {
    let Input {
        config,
        author,
        environment,
        ..
    } = *input;
    let Value::Object(members) = config else {
        let mut report = Report::new(environment);
        report.wrong_type("object", config);
        return report.finish();
    };
    let variants: &[Variant] = match author {
        Author::Administrator => &[
            Variant::Stdio,
            Variant::WebSocket,
            Variant::Sse,
            Variant::StreamableHttp,
        ],
        Author::User => &[Variant::WebSocket, Variant::Sse, Variant::StreamableHttp],
    };
    let meant = meant(members, variants);
    let mut told = None;
    for variant in variants {
        let mut report = Report::new(environment);
        check(&mut report, members, *variant, author);
        if author == Author::User {
            report.no_others(members);
            report.extend(input.unreadable);
        }
        match report.finish() {
            Ok(parsed) => return Ok(parsed),
            Err(issues) if Some(*variant) == meant => told = Some(issues),
            Err(_) => {}
        }
    }
    Err(told.unwrap_or_else(|| no_transport(input, members, variants)))
}

/// For a `type` that is none.
fn no_transport(
    input: &Input<'_>,
    members: &Map<String, Value>,
    variants: &[Variant],
) -> Vec<Issue> {
    let mut report = Report::new(input.environment);
    for variant in variants {
        check(&mut report, members, *variant, input.author);
    }
    report.forget_issues();
    report.member(members, "type", |report, value| {
        let types = variants.iter().flat_map(|variant| variant.types());
        let types: Vec<_> = types.map(|name| format!("'{name}'")).collect();
        let shown = value
            .as_str()
            .map_or_else(|| received(value).to_owned(), |name| format!("'{name}'"));
        report.issue(format!(
            "Invalid transport. Expected {}, received {shown}",
            types.join(" | ")
        ));
    });
    if input.author == Author::User {
        report.no_others(members);
        report.extend(input.unreadable);
    }
    report.finish().err().unwrap_or_default()
}

/// The transport that a config that fits none seems to be meant for.
fn meant(members: &Map<String, Value>, variants: &[Variant]) -> Option<Variant> {
    if let Some(declared) = members.get("type") {
        let declared = declared.as_str()?;
        return variants
            .iter()
            .copied()
            .find(|variant| variant.types().contains(&declared));
    }
    let url = members
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if members.contains_key("command") && variants.contains(&Variant::Stdio) {
        Some(Variant::Stdio)
    } else if is_scheme(url, "ws") {
        Some(Variant::WebSocket)
    } else {
        Some(Variant::Sse)
    }
}

fn check(report: &mut Report<'_>, members: &Map<String, Value>, variant: Variant, author: Author) {
    base(report, members, author);
    match author {
        Author::Administrator => server_managed(report, members),
        Author::User => report.member(members, "oauth", oauth_of_user),
    }
    let types = variant.types();
    let declares = |report: &mut Report<'_>, value: &Value| {
        if !value.as_str().is_some_and(|name| types.contains(&name)) {
            report.issue(format!(
                "Invalid type, expected \"{}\"",
                types.join("\" or \"")
            ));
        }
    };
    if variant == Variant::StreamableHttp {
        report.required(members, "type", declares);
    } else {
        report.member(members, "type", declares);
        types
            .first()
            .into_iter()
            .for_each(|name| report.default("type", name));
    }
    match variant {
        Variant::Stdio => {
            no_obo(report, members);
            report.member(members, "tls", Report::never);
            fields::stdio(report, members);
        }
        Variant::WebSocket => no_obo(report, members),
        Variant::Sse | Variant::StreamableHttp => {
            headers(report, members, author);
            report.member(members, "obo", obo);
            report.member(members, "proxy", |report, value| match author {
                Author::Administrator => proxy(report, value),
                Author::User => report.never(value),
            });
        }
    }
    if variant != Variant::Stdio {
        if author == Author::Administrator {
            report.member(members, "tls", fields::tls);
        }
        report.required(members, "url", |report, value| {
            let url = url(report, value, variant, author);
            let oauth = members.get("oauth").and_then(Value::as_object);
            let wants_tls = author == Author::Administrator && members.contains_key("tls");
            if wants_tls && url.is_some_and(|url| is_without_tls(&url, oauth)) {
                report.issue(PLAIN);
            }
        });
    }
}

/// Tokens of the user go where headers go, and nowhere else.
fn no_obo(report: &mut Report<'_>, members: &Map<String, Value>) {
    report.member(members, "obo", |report, value| {
        report.wrong_type("undefined", value);
    });
}

fn obo(report: &mut Report<'_>, value: &Value) {
    report.object(value, |report, members| {
        report.required(members, "scopes", Report::non_empty_text);
    });
}

/// The URL, where the text is one.
fn url(report: &mut Report<'_>, value: &Value, variant: Variant, author: Author) -> Option<Url> {
    let text = report.text(value)?;
    let label = variant.label();
    let is_web_socket = variant == Variant::WebSocket;
    if author == Author::User {
        let url = report.user_url(text);
        let has_scheme = if is_web_socket {
            is_scheme(text, "ws")
        } else {
            is_scheme(text, "http")
        };
        if url.is_some() && !has_scheme {
            let schemes = if is_web_socket {
                "ws:// or wss://"
            } else {
                "http:// or https://"
            };
            report.issue(format!("{label} URL must use {schemes}"));
        }
        return url;
    }
    let url = report.admin_url(text)?;
    match (is_web_socket, matches!(url.scheme(), "ws" | "wss")) {
        (true, false) => report.issue(format!("{label} URL must start with ws:// or wss://")),
        (false, true) => report.issue(format!("{label} URL must not start with ws:// or wss://")),
        _ => {}
    }
    Some(url)
}

fn proxy(report: &mut Report<'_>, value: &Value) {
    let Some(text) = report.text(value) else {
        return;
    };
    let is_proxy = |url: &Url| matches!(url.scheme(), "http" | "https" | "socks" | "socks5");
    if report.admin_url(text).is_some_and(|url| !is_proxy(&url)) {
        report.issue("Proxy URL must use http://, https://, socks://, or socks5://");
    }
}

/// Whether a text as it is written starts with the scheme or its secure form.
fn is_scheme(text: &str, scheme: &str) -> bool {
    text.split_once(':').is_some_and(|(written, _)| {
        let written = written.to_ascii_lowercase();
        written
            .strip_prefix(scheme)
            .is_some_and(|rest| matches!(rest, "" | "s"))
    })
}

#[cfg(test)]
mod tests;
