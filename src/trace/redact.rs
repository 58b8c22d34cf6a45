//! What of a record is told.

use http::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;
use url::form_urlencoded;

use super::known::Known;
use super::members::{
    REDACTED, is_public_of_grants, is_secret, is_secret_number, is_secret_whole, without_members,
};
use super::record::Asked;
use crate::foreign_text::{SecretSearch, SentSecrets};
use crate::nesting::{self, MAX_NESTING};
use crate::secret::is_secret_name;

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// A `code` or a `state` that is shorter may be a word, in bytes.
const LONG_WORD: usize = 12;
/// Headers whose values are secret whatever they hold.
const SECRET_HEADERS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, SET_COOKIE, PROXY_AUTHORIZATION, DPOP];

/// What a grant gives, under these names, which may be sent in the next moment.
const GIVEN: [&str; 5] = [
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "registration_access_token",
];
/// Their members are descriptions of members.
const SCHEMAS: [&str; 3] = ["inputSchema", "outputSchema", "requestedSchema"];

/// What a text is, which decides what of it is secret by its name, and what is remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of MCP.
    Message,
    /// Such a message's description of arguments.
    Schema,
    /// Of a request to an authorization server.
    Asked,
    /// Of an answer.
    Answer,
    /// Of an answer that gives tokens.
    Grant,
}

impl Kind {
    fn is_oauth(self) -> bool {
        !matches!(self, Self::Message | Self::Schema)
    }
}

/// Finds secrets in what it is shown, and cuts them out of that and of all that comes later.
#[derive(Default)]
pub(super) struct Redactor {
    /// What was configured, sent and given.
    sent: Known,
    /// What only the name says that others gave it. They make up as many as they like: these never push out the former.
    told: Known,
}

impl Redactor {
    /// Before each record.
    pub fn make_room(&mut self) {
        self.sent.make_room();
        self.told.make_room();
    }

    pub fn learn(&mut self, secrets: &SentSecrets) {
        secrets.each(|secret| self.sent.add(secret));
    }

    /// What the request of an exchange had, as long as there is anything to tell of that.
    pub fn learn_request(&mut self, asked: &Asked) {
        self.learn(&secrets_of(&asked.headers, &asked.secret_headers));
        if !asked.body.is_empty() {
            self.body_of(asked);
        }
    }

    pub fn learn_answer(&mut self, headers: &HeaderMap) {
        secrets_of(headers, &[]).each(|secret| self.told.add(secret));
    }

    /// The body of a request, where it is told.
    pub fn body_of(&mut self, asked: &Asked) -> String {
        let kind = asked.headers.get(CONTENT_TYPE);
        let is_form = kind.is_some_and(|kind| kind.as_bytes().ends_with(b"urlencoded"));
        if is_form {
            return self.form(&String::from_utf8_lossy(&asked.body), Kind::Asked);
        }
        self.body(&asked.body, Kind::Asked)
    }

    fn remember(&mut self, secret: &str, kind: Kind) {
        match kind {
            Kind::Asked => self.sent.add(secret),
            _ => self.told.add(secret),
        }
    }

    fn cut_out(&self, text: &str) -> Option<String> {
        let ([sent, sent_before], [told, told_before]) =
            (self.sent.searches(), self.told.searches());
        SecretSearch::cut_out(&[sent, sent_before, told, told_before], text, REDACTED)
    }

    pub fn text(&self, text: &str) -> String {
        self.cut_out(text).unwrap_or_else(|| text.to_owned())
    }

    /// The value of a header. The scheme of credentials stays.
    pub fn header(
        &mut self,
        name: &HeaderName,
        value: &HeaderValue,
        secret: &[HeaderName],
    ) -> String {
        let text = String::from_utf8_lossy(value.as_bytes());
        let is_named = is_secret_name(name.as_str())
            && *name != WWW_AUTHENTICATE
            && !name.as_str().starts_with("access-control-");
        if is_named || SECRET_HEADERS.contains(name) || secret.contains(name) {
            let is_credentials = *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION;
            return match text.split_once(' ') {
                Some((scheme, _)) if is_credentials => format!("{} {REDACTED}", self.text(scheme)),
                _ => REDACTED.to_owned(),
            };
        }
        if *name == LOCATION {
            return self.link(&text);
        }
        self.text(&text)
    }

    /// A URL, absolute or not, that somebody wrote.
    pub fn link(&mut self, text: &str) -> String {
        let Ok(url) = Url::parse(text) else {
            // Relative to something that does not matter here.
            let base = Url::parse("relative:///").and_then(|base| base.join(text));
            let shown = base.map(|url| self.url(&url)).unwrap_or_default();
            return shown
                .strip_prefix("relative://")
                .unwrap_or(REDACTED)
                .to_owned();
        };
        self.url(&url)
    }

    pub fn url(&mut self, url: &Url) -> String {
        let mut shown = url.clone();
        // Fail for URLs without a host, which have none of both.
        if !url.username().is_empty() {
            self.told.add(url.username());
            let _ = shown.set_username("redacted");
        }
        if let Some(password) = url.password() {
            self.told.add(password);
            let _ = shown.set_password(Some("redacted"));
        }
        shown.set_query(None);
        shown.set_fragment(None);
        let mut shown = self.text(shown.as_str());
        for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(part) = part {
                shown.push(mark);
                shown += &self.form(part, Kind::Answer);
            }
        }
        shown
    }

    /// A query or a form, with its names and values as they read.
    fn form(&mut self, text: &str, kind: Kind) -> String {
        let mut told = String::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !told.is_empty() {
                told.push('&');
            }
            told += &in_form(&self.text(&name));
            if value.is_empty() {
                continue;
            }
            told.push('=');
            if is_secret(&name, true) || is_secret_name(&name) && !is_kind(&name) {
                self.remember(&value, kind);
                told += REDACTED;
            } else {
                told += &in_form(&self.text(&value));
            }
        }
        told
    }

    /// A body that is no message: JSON or whatever it is.
    pub fn body(&mut self, body: &[u8], kind: Kind) -> String {
        let text = String::from_utf8_lossy(body);
        let told = self.json(&text, kind);
        told.unwrap_or_else(|| self.text_with_members(&text, kind))
    }

    /// A text that may be a part of JSON.
    pub fn text_with_members(&self, text: &str, kind: Kind) -> String {
        self.text(&without_members(text, kind.is_oauth()))
    }

    /// A text of JSON, whose secret members are learned where it is of authorization.
    pub fn json(&mut self, text: &str, kind: Kind) -> Option<String> {
        let mut value: Value = nesting::parse(text, MAX_NESTING).ok()?;
        if !value.is_object() && !value.is_array() {
            return None;
        }
        if kind == Kind::Grant {
            let given = GIVEN.iter().filter_map(|name| value.get(name)?.as_str());
            given.for_each(|given| self.sent.add(given));
        }
        if kind.is_oauth() {
            self.learn_members(&value, kind);
        }
        self.value(&mut value, kind);
        Some(value.to_string())
    }

    fn learn_members(&mut self, value: &Value, kind: Kind) {
        match value {
            Value::Array(list) => list
                .iter()
                .for_each(|value| self.learn_members(value, kind)),
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text)
                            if is_secret(name, false)
                                || text.len() >= LONG_WORD && is_secret(name, true) =>
                        {
                            self.remember(text, kind);
                        }
                        value => self.learn_members(value, kind),
                    }
                }
            }
            _ => {}
        }
    }

    fn value(&self, value: &mut Value, kind: Kind) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Some(told) = self.cut_out(&number.to_string()) {
                    *value = Value::String(told);
                }
            }
            Value::String(text) => {
                if let Some(told) = self.cut_out(text) {
                    *text = told;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value, kind)),
            Value::Object(members) => {
                // By the names that they have, which may be told otherwise.
                for (name, value) in members.iter_mut() {
                    if is_secret_member(name, value, kind) {
                        *value = Value::String(REDACTED.to_owned());
                    } else if kind == Kind::Message && SCHEMAS.contains(&name.as_str()) {
                        self.value(value, Kind::Schema);
                    } else {
                        self.value(value, kind);
                    }
                }
                let renamed: Vec<_> = members
                    .keys()
                    .filter_map(|name| Some((name.clone(), self.cut_out(name)?)))
                    .collect();
                for (name, told) in renamed {
                    if let Some(value) = members.shift_remove(&name) {
                        members.insert(told, value);
                    }
                }
            }
        }
    }
}

/// Whether nothing of the value is told, because of its name.
fn is_secret_member(name: &str, value: &Value, kind: Kind) -> bool {
    if kind == Kind::Grant && !value.is_null() && !is_public_of_grants(name) {
        return true;
    }
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => is_secret_number(name, &number.to_string(), kind.is_oauth()),
        Value::String(_) => is_secret(name, kind.is_oauth()),
        Value::Array(list) => kind != Kind::Schema && !list.is_empty() && is_secret_whole(name),
        Value::Object(members) => {
            kind != Kind::Schema && !members.is_empty() && is_secret_whole(name)
        }
    }
}

/// Headers are secret that the sender says are, and those of these names.
fn secrets_of(headers: &HeaderMap, secret: &[HeaderName]) -> SentSecrets {
    let mut sent = SentSecrets::default();
    for (name, value) in headers {
        if *name == SET_COOKIE {
            let cookie = value.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = cookie.and_then(|it| it.split_once('=')) {
                sent.add_named(name, value);
            }
        } else if SECRET_HEADERS.contains(name) || secret.contains(name) {
            sent.add_header(name, value);
        }
    }
    sent
}

/// As it reads, but for what means something in a form.
fn in_form(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' => told += "%25",
            '&' => told += "%26",
            '#' => told += "%23",
            '+' => told += "%2B",
            letter => told.push(letter),
        }
    }
    told
}

/// What kind of token a form has is called as the token is.
fn is_kind(name: &str) -> bool {
    ["type", "type_hint", "method", "use"]
        .iter()
        .any(|kind| name.ends_with(kind))
}
