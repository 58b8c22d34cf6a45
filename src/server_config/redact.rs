//! Configs as the API may show them.

use url::Url;

/// An allowlist, in the order of the reference: a new member stays hidden until somebody decides otherwise.
pub const SHOWN: [&str; 18] = [
    "type",
    "url",
    "title",
    "description",
    "iconPath",
    "chatMenu",
    "requiresOAuth",
    "capabilities",
    "tools",
    "toolFunctions",
    "initDuration",
    "updatedAt",
    "dbId",
    "source",
    "consumeOnly",
    "inspectionFailed",
    "customUserVars",
    "serverInstructions",
];

/// The same for the members of `oauth`: all of the schema's but the client secret, and how a
/// token is asked for without a user. What proves who asks is not among them.
pub const SHOWN_OAUTH: [&str; 19] = [
    "authorization_url",
    "token_url",
    "client_id",
    "scope",
    "redirect_uri",
    "token_exchange_method",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "response_types_supported",
    "code_challenge_methods_supported",
    "skip_code_challenge_check",
    "audience",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "forward_audience_on_refresh",
    "send_resource_parameter",
    "grant",
    "issuer",
    "dpop",
];

/// Members that hold a URL.
pub const SHOWN_URLS: [&str; 7] = [
    "url",
    "iconPath",
    "authorization_url",
    "token_url",
    "redirect_uri",
    "revocation_endpoint",
    "issuer",
];

/// Members, also of `oauth`, that say where a server is. Only those see them who may change the config.
pub const EDITORS: [&str; 5] = [
    "url",
    "authorization_url",
    "token_url",
    "revocation_endpoint",
    "issuer",
];

const REDACTED: &str = "***";

/// What stands for a URL that cannot be read, and may hold a secret anywhere.
const INVALID: &str = "[invalid URL]";

/// Parts of names whose values are secrets, whatever they look like.
const SECRET_PARTS: [&str; 18] = [
    "assertion",
    "auth",
    "bearer",
    "cookie",
    "cred",
    "hmac",
    "jwt",
    "key",
    "login",
    "otp",
    "pass",
    "private",
    "pwd",
    "secret",
    "session",
    "sig",
    "ticket",
    "token",
];

/// Names that are too short, or too much part of others, to be looked for within a name.
const SECRET_NAMES: [&str; 12] = [
    "code", "hash", "k", "nonce", "p", "pin", "sas", "sid", "state", "t", "user", "username",
];

/// A URL without user information, fragment, and values of the query that are, or may be, secrets. One without any of
/// these stays as it was written.
#[must_use]
pub fn redact_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => redacted(text, url),
        Err(_) => INVALID.to_owned(),
    }
}

/// The same for the address of a picture, which may also be a path or hold the picture itself.
#[must_use]
pub fn redact_icon(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "data" => text.to_owned(),
        Ok(url) => redacted(text, url),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            let Ok(url) = Url::parse("https://icon.invalid").and_then(|base| base.join(text))
            else {
                return INVALID.to_owned();
            };
            // `//user:password@host/icon` is relative as well.
            if url.host_str() != Some("icon.invalid") || has_user_information(&url) {
                return INVALID.to_owned();
            }
            if is_harmless(&url) {
                return text.to_owned();
            }
            let url = without_secrets(url);
            url[url::Position::BeforePath..].to_owned()
        }
        Err(_) => INVALID.to_owned(),
    }
}

fn redacted(text: &str, url: Url) -> String {
    // A scheme without a host, `mailto:` say, has no parts that could be told apart.
    if !url.has_host() {
        return INVALID.to_owned();
    }
    if is_harmless(&url) {
        text.to_owned()
    } else {
        without_secrets(url).into()
    }
}

fn has_user_information(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn is_harmless(url: &Url) -> bool {
    !has_user_information(url)
        && url.fragment().is_none()
        && url
            .query()
            .is_none_or(|query| query.split('&').all(is_harmless_pair))
}

fn without_secrets(mut url: Url) -> Url {
    // Both fail for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let query = url.query().map(|query| {
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            _ if is_harmless_pair(pair) => pair.to_owned(),
            Some((name, _)) if is_name(name) => format!("{name}={REDACTED}"),
            _ => REDACTED.to_owned(),
        });
        shown.collect::<Vec<_>>().join("&")
    });
    url.set_query(query.as_deref());
    url
}

/// Whether a pair of a query, as it is written, can be shown: not under the name of a secret, and a value that no secret
/// looks like. A secret under an innocent name is told by its looks, a word or number by its name.
fn is_harmless_pair(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else {
        return pair.is_empty() || (is_name(pair) && is_plain(pair));
    };
    is_name(name) && !is_secret_name(name) && is_plain(value)
}

fn is_name(name: &str) -> bool {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | '$');
    name.len() <= 40 && name.chars().all(is_part)
}

fn is_secret_name(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    SECRET_NAMES.contains(&letters.as_str())
        || SECRET_PARTS.iter().any(|part| letters.contains(part))
}

/// Words, numbers, versions and dates, and placeholders, which hold nothing yet.
fn is_plain(value: &str) -> bool {
    let is_placeholder = [("{{", "}}"), ("${", "}"), ("%7B%7B", "%7D%7D")];
    let is_placeholder = is_placeholder.iter().any(|(open, close)| {
        let inner = value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(is_name)
    });
    let is_word = |part: &str| {
        let digits = part.strip_prefix(['v', 'V']).unwrap_or(part);
        (part.len() <= 16 && part.chars().all(|c| c.is_ascii_alphabetic()))
            || (digits.len() <= 8 && digits.chars().all(|c| c.is_ascii_digit()))
    };
    is_placeholder
        || (value.len() <= 32 && value.split(['-', '_', '.', ',', ':', '+']).all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_stays_as_it_was_written() {
        for url in [
            "https://tools.example.com/sse?page=2",
            "HTTPS://Tools.Example.com",
            "https://a.example/mcp/",
            "https://a.example/?a=b&flag&lang=en-US&since=2026-11-28&v=v2&list=a,b&empty=",
            "wss://a.example:8443/{{TENANT}}?api_version=2025-01-01",
            "https://a.example/?tenant={{TENANT}}",
        ] {
            assert_eq!(redact_url(url), url);
        }
    }

    #[test]
    fn secrets_go() {
        for (url, expected) in [
            ("https://u:s3cret@a.example/x", "https://a.example/x"),
            ("https://s3cret@a.example/x", "https://a.example/x"),
            ("https:u:s3cret@a.example", "https://a.example/"),
            ("https:\\\\u:s3cret@a.example", "https://a.example/"),
            ("ht\ntps://u:s3cret@a.example", "https://a.example/"),
            ("https://a.example/x#s3cret", "https://a.example/x"),
            (
                "https://a.example/?page=2&api_key=abc&x=1",
                "https://a.example/?page=2&api_key=***&x=1",
            ),
            ("https://a.example/?s3cret", "https://a.example/?***"),
            ("https://a.example/?x=s3cret", "https://a.example/?x=***"),
            ("https://a.example/?x=1;key=abc", "https://a.example/?x=***"),
            ("https://a.example/?api%5Fkey=abc", "https://a.example/?***"),
            ("https://a.example/?x=%61bc", "https://a.example/?x=***"),
            ("nonsense s3cret", INVALID),
            ("https://u:s3cret@a.example:99999/", INVALID),
            ("mailto:s3cret@a.example", INVALID),
            ("", INVALID),
        ] {
            assert_eq!(redact_url(url), expected, "{url}");
        }
        for name in [
            "api_key",
            "apikey",
            "apiKey",
            "key",
            "token",
            "access_token",
            "sig",
            "signature",
            "code",
            "password",
            "secret",
            "auth",
            "client_secret",
            "X-Amz-Signature",
            "X-Goog-Credential",
            "KEY",
            "pwd",
            "sid",
            "authorization",
            "session_id",
            "access.token",
            "user[password]",
        ] {
            let url = format!("https://a.example/?{name}=word");
            assert_eq!(redact_url(&url), format!("https://a.example/?{name}=***"));
        }
    }

    #[test]
    fn icons() {
        for icon in [
            "/icons/a.png",
            "a.png?v=2",
            "data:image/png;base64,aaaa",
            "https://a.example/x.png",
        ] {
            assert_eq!(redact_icon(icon), icon);
        }
        for (icon, expected) in [
            ("/a.png?token=abc", "/a.png?token=***"),
            ("//u:s3cret@a.example/x.png", INVALID),
            (
                "https://u:s3cret@a.example/x.png?sig=abc",
                "https://a.example/x.png?sig=***",
            ),
        ] {
            assert_eq!(redact_icon(icon), expected);
        }
    }
}
