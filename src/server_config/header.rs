//! Header values as Node sends them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// Headers that a transport sets itself, and those that speak about the connection and not about the request: whoever sets
/// them can choose another virtual host behind the address that was checked, break the framing of a request so that a
/// proxy sees two (request smuggling), or take over a session. Lower case; a `-` at the end stands for all that begin so.
const TRANSPORT: [&str; 21] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-param-",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-",
    "sec-websocket-",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What every request carries anyway, as the transport needs it. Configs of users often name them too, and to no effect.
const OVERWRITTEN: [&str; 2] = ["accept", "content-type"];

/// How a message is framed is nobody's to configure.
const FRAMING: [&str; 3] = [
    "content-length",
    "sec-websocket-extensions",
    "transfer-encoding",
];

/// Whose word a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    Operator,
    /// A user's config, or an operator's header with a user's variable in it.
    User,
}

pub(super) fn is_authorization(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("authorization")
}

/// Whether only a transport sets this header. White space around the name and its case do not count, nor whether it is
/// written with `_`, which many servers read as `-`.
pub(super) fn is_transports_own(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    TRANSPORT.iter().any(|own| {
        if own.ends_with('-') {
            name.starts_with(own)
        } else {
            name == *own
        }
    })
}

/// Whether a configured header is sent. One that is left out changes nothing, since the transport sends its own; one that
/// would change what a request is, or where it goes, is an error that names it.
pub fn is_sent(name: &HeaderName, setter: Setter) -> Result<bool> {
    let refused = |why: &str| Error::invalid_config(format!("Header `{name}` {why}"));
    if FRAMING.contains(&name.as_str().replace('_', "-").as_str()) {
        return Err(refused("cannot be configured: it frames the message"));
    }
    if setter == Setter::Operator || !is_transports_own(name.as_str()) {
        return Ok(true);
    }
    if OVERWRITTEN.contains(&name.as_str()) {
        return Ok(false);
    }
    Err(refused(
        "belongs to the transport and cannot be set by a user; remove it from the config",
    ))
}

/// `LibreChat`'s scheme for names that no header can carry: `b64:` and Base64 of the UTF-8 text. Values within Latin-1
/// stay.
pub(super) fn encode_above_latin_1(value: &str) -> String {
    if value.chars().all(is_latin_1) {
        value.to_owned()
    } else {
        format!("b64:{}", STANDARD.encode(value))
    }
}

/// A header with its value as Latin-1 bytes, without the white space around it (Fetch, section 2.2.2). Errors name
/// the header and never show the value, which may be a secret.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let refused = |reason: &str| Error::invalid_config(format!("Header `{name}` {reason}"));
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("has an invalid name"))?;
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    let mut bytes = Vec::with_capacity(value.len());
    for c in value.chars() {
        let byte = u8::try_from(u32::from(c));
        bytes.push(byte.map_err(|_| refused("has a value with characters outside of Latin-1"))?);
    }
    let mut value = HeaderValue::from_bytes(&bytes)
        .map_err(|_| refused("has a value with line breaks or control characters"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn is_latin_1(c: char) -> bool {
    u32::from(c) <= 0xff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn names_above_latin_1() {
        for (value, expected) in [
            ("", ""),
            ("Jane", "Jane"),
            ("José ÿ", "José ÿ"),
            ("Marić", "b64:TWFyacSH"),
            ("Ψ", "b64:zqg="),
        ] {
            assert_eq!(encode_above_latin_1(value), expected);
        }
    }

    #[test]
    fn values_as_bytes() {
        for (value, expected) in [
            ("plain", &b"plain"[..]),
            ("  key with pad ", b"key with pad"),
            ("\tkey\r\n", b"key"),
            ("a\tb", b"a\tb"),
            ("José", b"Jos\xe9"),
            ("", b""),
        ] {
            let (name, sent) = header("X-Key", value).unwrap();
            assert_eq!(name, "x-key");
            assert_eq!(sent.as_bytes(), expected, "{value:?}");
        }
    }

    #[test]
    fn refused_values() {
        for value in [
            "s3cret Ψ",
            "s3cret\r\nX: y",
            "s3cret\0",
            "s3cret\u{7f}",
            "s3cret\u{100}",
        ] {
            let error = header("X-Key", value).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains("`X-Key`"), "{error}");
            assert!(!error.message.contains("s3cret"), "{error}");
        }
        let error = header("X Key", "v").unwrap_err();
        assert_eq!(error.message, "Header `X Key` has an invalid name");
    }

    #[test]
    fn headers_of_the_transport() {
        for name in [
            "Host",
            " HOST\t",
            "Mcp_Session_Id",
            "content_length",
            "content-LENGTH",
            "Proxy-Authorization",
            "Sec-WebSocket-Key",
            "Mcp-Param-Region",
            "TE",
        ] {
            assert!(is_transports_own(name), "{name}");
        }
        for name in [
            "Authorization",
            "X-Host",
            "X-Forwarded-For",
            "Mcp-Proxy-Auth",
            "Cookie",
            "Test",
            "Proxy",
        ] {
            assert!(!is_transports_own(name), "{name}");
        }
        let sent = |name: &str, setter| is_sent(&HeaderName::try_from(name).unwrap(), setter);
        for setter in [Setter::Operator, Setter::User] {
            for name in FRAMING {
                let error = sent(name, setter).unwrap_err();
                assert_eq!(error.code, Code::InvalidConfig);
            }
            assert!(sent("Authorization", setter).unwrap());
        }
        for name in ["host", "connection", "accept", "mcp-session-id"] {
            assert!(sent(name, Setter::Operator).unwrap(), "{name}");
        }
        assert!(!sent("accept", Setter::User).unwrap());
        let error = sent("Host", Setter::User).unwrap_err();
        assert!(
            error.message.starts_with("Header `host` belongs to"),
            "{error}"
        );
    }

    #[test]
    fn never_printed() {
        assert!(!format!("{:?}", header("X-Key", "hunter2").unwrap()).contains("hunter2"));
    }
}
