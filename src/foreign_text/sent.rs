//! What a request carried that must not come back.

use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::{Url, form_urlencoded};

use super::repeated;
use crate::secret::{self, Secret};

/// A value whose name does not say that it is secret counts as a secret from this length on.
const LOOKS_SECRET: usize = 12;

/// What precedes credentials in a header (RFC 9110, section 11.4).
const SCHEMES: [&str; 5] = ["bearer", "basic", "dpop", "token", "apikey"];
/// Settings, whatever they are called.
const HARMLESS_WORDS: [&str; 6] = ["true", "false", "none", "null", "user", "http"];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request carried that must not come back in a text: tokens, keys, codes, verifiers.
#[derive(Debug, Clone, Default)]
pub struct SentSecrets(Vec<Secret>);

impl SentSecrets {
    pub fn add(&mut self, secret: impl Into<Secret>) {
        let secret = secret.into();
        if !HARMLESS_WORDS.contains(&secret.expose().to_ascii_lowercase().as_str()) {
            self.0.push(secret);
        }
    }

    /// A member of a form, a query, an environment or the like, whose name may say that its value is secret.
    pub fn add_named(&mut self, name: &str, value: &str) {
        if value.len() >= LOOKS_SECRET {
            self.add(value);
        } else {
            self.add_if_named(name, value);
        }
    }

    /// A value that counts as a secret only if its name says so.
    pub fn add_if_named(&mut self, name: &str, value: &str) {
        if secret::is_secret_name(name) {
            self.add(value);
        }
    }

    /// A variable of the environment that a config names. Hosts, ports and paths are told: what counts is a name that says
    /// so, and a value that is none of them and looks like a token.
    pub fn add_filled_in(&mut self, name: &str, value: &str) {
        /// Names of hosts have fewer.
        const DIGITS_OF_TOKENS: usize = 4;
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        if looks_like_token(value) && digits >= DIGITS_OF_TOKENS && !value.contains(['.', '/']) {
            self.add(value);
        } else {
            self.add_if_named(name, value);
        }
    }

    /// A variable in the environment of a process. Most are paths and settings, which errors had better tell: what counts
    /// is a name that says so, a value that looks like a token, and what is secret in a URL.
    pub fn add_variable(&mut self, name: &str, value: &str) {
        if looks_like_token(value) {
            self.add(value);
        } else if let Ok(url) = Url::parse(value) {
            self.add_url(&url);
        }
        self.add_if_named(name, value);
        // A header, a connection string or a JSON text in one value.
        for part in value.split(|c: char| c.is_whitespace() || "\"',;".contains(c)) {
            match part.split_once('=') {
                Some((name, part)) if is_name(name) => self.add_if_named(name, part),
                _ if looks_like_token(part) => self.add(part),
                _ => {}
            }
        }
    }

    /// Arguments of a command: `--token=VALUE`, `--token VALUE`.
    pub fn add_arguments(&mut self, arguments: &[String]) {
        let mut option = "";
        for argument in arguments {
            if let Ok(url) = Url::parse(argument) {
                self.add_url(&url);
            }
            match argument.split_once('=') {
                Some((name, value)) if is_name(name) => self.add_variable(name, value),
                _ if option.starts_with('-') => self.add_variable(option, argument),
                _ => self.add_variable("", argument),
            }
            option = argument;
        }
    }

    /// Values of headers, and their credentials alone (RFC 9110, section 11.4). Those of `Basic` are known decoded too.
    pub fn add_headers(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.add_header(name, value);
        }
    }

    pub fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        const HARMLESS: [HeaderName; 6] = [
            header::ACCEPT,
            header::ACCEPT_ENCODING,
            header::ACCEPT_LANGUAGE,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::USER_AGENT,
        ];
        if HARMLESS.contains(name) {
            return;
        }
        if *name == header::COOKIE {
            let cookies = value.to_str().unwrap_or_default().split(';');
            for (name, cookie) in cookies.filter_map(|cookie| cookie.split_once('=')) {
                self.add_named(name, cookie);
            }
        }
        // As Latin-1, which is how the value was made (RFC 9110, section 5.5).
        let value: String = value.as_bytes().iter().copied().map(char::from).collect();
        let scheme = value.split_once(' ');
        if let Some((scheme, credentials)) = scheme {
            self.add_named(name.as_str(), credentials.trim());
            if scheme.eq_ignore_ascii_case("basic") {
                self.add_basic(credentials.trim());
            }
        }
        // Who knows the scheme must not know the first characters of what counts.
        let is_scheme = |scheme: &str| {
            SCHEMES
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        };
        if scheme.is_none_or(|(scheme, _)| !is_scheme(scheme)) {
            self.add_named(name.as_str(), &value);
        }
    }

    /// The password of `user:password`; OAuth writes both as in a form (RFC 6749, section 2.3.1).
    fn add_basic(&mut self, credentials: &str) {
        let decoded = BASE64.decode(credentials).unwrap_or_default();
        let decoded = String::from_utf8_lossy(&decoded);
        if let Some((_, password)) = decoded.split_once(':') {
            let unescaped = form_urlencoded::parse(password.as_bytes()).next();
            if let Some((unescaped, _)) = unescaped.filter(|(unescaped, _)| unescaped != password) {
                self.add(unescaped.as_ref());
            }
            self.add(password);
        }
    }

    /// User information and query of a URL.
    pub fn add_url(&mut self, url: &Url) {
        // A name without a password is a token.
        let credential = url.password().unwrap_or_else(|| url.username());
        if !credential.is_empty() {
            self.add(credential);
        }
        for (name, value) in url.query_pairs() {
            self.add_named(&name, &value);
        }
    }

    /// Whether a text that cannot be told in part gives any of them away.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        !repeated::ranges(text, self.secrets()).is_empty()
    }

    /// The text with `***` in place of what it gives away, and nothing else changed.
    #[must_use]
    pub fn cut_out(&self, text: &str) -> String {
        replaced(text, &repeated::ranges(text, self.secrets()), "***")
    }

    /// Shows each of them to whoever looks for them in more than one text.
    pub fn each(&self, see: impl FnMut(&str)) {
        self.secrets().for_each(see);
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.expose().as_str())
    }
}

/// Secrets that are looked for in many texts.
#[derive(Default)]
pub struct SecretSearch(repeated::Search);

impl SecretSearch {
    /// How many encodings may lie around each other in long texts.
    const DEPTH: usize = 2;

    pub fn add(&mut self, secret: &str) {
        self.0.add(secret);
    }

    /// The text with `mark` in place of what it gives away of any of them; `None` where that is nothing.
    #[must_use]
    pub fn cut_out(searches: &[&Self], text: &str, mark: &str) -> Option<String> {
        let found = searches.iter();
        let mut ranges: Vec<_> = found
            .flat_map(|search| search.0.ranges(text, Self::DEPTH))
            .collect();
        // What two of them share must not hide what else there is of either.
        repeated::merge(&mut ranges);
        (!ranges.is_empty()).then(|| replaced(text, &ranges, mark))
    }
}

fn replaced(text: &str, ranges: &[Range<usize>], mark: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        told.push_str(&text[from..range.start]);
        told.push_str(mark);
        from = range.end;
    }
    told + &text[from..]
}

/// Whether it may name an option or a variable; a text that happens to have a `=` in it does not.
fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A long word of letters and digits that is no path.
fn looks_like_token(value: &str) -> bool {
    value.len() > LOOKS_SECRET
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte))
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.starts_with(['/', '.', '-'])
}

impl From<Vec<Secret>> for SentSecrets {
    fn from(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }
}
