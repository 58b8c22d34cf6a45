//! What of a record is told.

use http::header::{
    AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;
use url::form_urlencoded;

use super::known::Known;
use super::members::is_secret;
use crate::foreign_text::SentSecrets;
use crate::nesting::{self, MAX_NESTING};
use crate::secret::is_secret_name;

pub(super) const REDACTED: &str = "‹redacted›";

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// A `code` or a `state` that is shorter may be a word, in bytes.
const LONG_WORD: usize = 12;
/// Headers whose values are secret whatever they hold.
const SECRET_HEADERS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, SET_COOKIE, PROXY_AUTHORIZATION, DPOP];

/// Finds secrets in what it is shown, and cuts them out of that and of all that comes later.
#[derive(Default)]
pub(super) struct Redactor(Known);

impl Redactor {
    pub fn learn(&mut self, secrets: &SentSecrets) {
        secrets.each(|secret| self.0.add(secret));
    }

    /// Headers are secret that the sender says are, and those of these names.
    pub fn learn_headers(&mut self, headers: &HeaderMap, secret: &[HeaderName]) {
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
        self.learn(&sent);
    }

    pub fn text(&self, text: &str) -> String {
        self.0
            .cut_out(text, REDACTED)
            .unwrap_or_else(|| text.to_owned())
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
            self.0.add(url.username());
            let _ = shown.set_username("redacted");
        }
        if let Some(password) = url.password() {
            self.0.add(password);
            let _ = shown.set_password(Some("redacted"));
        }
        shown.set_query(None);
        shown.set_fragment(None);
        let mut shown = self.text(shown.as_str());
        for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(part) = part {
                shown.push(mark);
                shown += &self.form(part);
            }
        }
        shown
    }

    /// A query or a form, with its names and values as they read.
    fn form(&mut self, text: &str) -> String {
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
                self.0.add(&value);
                told += REDACTED;
            } else {
                told += &in_form(&self.text(&value));
            }
        }
        told
    }

    /// A body that is no message: JSON, else a form or whatever it is.
    pub fn body(&mut self, body: &[u8], is_form: bool) -> String {
        let text = String::from_utf8_lossy(body);
        if let Some(json) = self.json(&text, true) {
            return json;
        }
        if is_form {
            return self.form(&text);
        }
        self.text(&text)
    }

    /// A text of JSON, whose secret members are learned where it `is_oauth`.
    pub fn json(&mut self, text: &str, is_oauth: bool) -> Option<String> {
        let mut value: Value = nesting::parse(text, MAX_NESTING).ok()?;
        if !value.is_object() && !value.is_array() {
            return None;
        }
        if is_oauth {
            self.learn_members(&value);
        }
        self.value(&mut value, is_oauth);
        Some(value.to_string())
    }

    fn learn_members(&mut self, value: &Value) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.learn_members(value)),
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text)
                            if is_secret(name, false)
                                || text.len() >= LONG_WORD && is_secret(name, true) =>
                        {
                            self.0.add(text);
                        }
                        value => self.learn_members(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn value(&self, value: &mut Value, is_oauth: bool) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Some(told) = self.0.cut_out(&number.to_string(), REDACTED) {
                    *value = Value::String(told);
                }
            }
            Value::String(text) => {
                if let Some(told) = self.0.cut_out(text, REDACTED) {
                    *text = told;
                }
            }
            Value::Array(list) => list
                .iter_mut()
                .for_each(|value| self.value(value, is_oauth)),
            Value::Object(members) => {
                let named = |name: &String| self.0.cut_out(name, REDACTED);
                let renamed: Vec<_> = members
                    .keys()
                    .filter_map(|name| Some((name.clone(), named(name)?)))
                    .collect();
                for (name, told) in renamed {
                    if let Some(value) = members.shift_remove(&name) {
                        members.insert(told, value);
                    }
                }
                for (name, value) in members {
                    if value.is_string() && is_secret(name, is_oauth) {
                        *value = Value::String(REDACTED.to_owned());
                    } else {
                        self.value(value, is_oauth);
                    }
                }
            }
        }
    }
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
