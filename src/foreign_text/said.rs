//! What the body of a failed HTTP answer says: the text of a plain one, the title of a page, the usual members of JSON.

use std::borrow::Cow;

use serde_json::Value;
use url::form_urlencoded;

/// Members by which APIs explain failures, in the order in which they are told: OAuth's (RFC 6749, section 5.2), those of
/// problem details (RFC 9457), and what is common besides.
const NAMES: [&str; 12] = [
    "error",
    "error_description",
    "title",
    "message",
    "msg",
    "detail",
    "details",
    "reason",
    "description",
    "errors",
    "fault",
    "faultstring",
];
/// How deep members may lie in each other, and how many elements of a list are told.
const DEPTH: usize = 4;
const ELEMENTS: usize = 3;

/// Of whom a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// JSON without the usual members is told as it is.
    Server,
    /// Nothing is told but explanations: the answers of its endpoints may hold tokens.
    AuthorizationServer,
}

/// The words of a body, which are the text of others still; none where there is nothing to tell. `reason` is what need
/// not be repeated.
#[must_use]
pub fn said(body: &[u8], content_type: &str, reason: &str, speaker: Speaker) -> Option<String> {
    let content_type = content_type.to_ascii_lowercase();
    let text = decoded(body, &content_type);
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    let told = if let Some(page) = page(text) {
        page
    } else if content_type.starts_with("application/x-www-form-urlencoded") {
        let members = form_urlencoded::parse(text.as_bytes());
        let told = members.filter(|(name, _)| NAMES[..2].contains(&&**name));
        let told: Vec<_> = told.map(|(_, value)| value.into_owned()).collect();
        told.join(": ")
    } else if let Ok(value) = serde_json::from_str::<Value>(text) {
        let mut parts = Vec::new();
        collect(&value, DEPTH, &mut parts);
        parts.retain(|part| !part.eq_ignore_ascii_case(reason));
        let is_container = value.is_object() || value.is_array();
        if parts.is_empty() && is_container && speaker == Speaker::Server {
            text.to_owned()
        } else {
            parts.join(": ")
        }
    } else if text.eq_ignore_ascii_case(reason) {
        String::new()
    } else {
        text.to_owned()
    };
    (!told.is_empty()).then_some(told)
}

/// Text in the charset that is declared, or that it turns out to be in: of a body that is no UTF-8 every byte is a
/// character, as in Latin-1.
fn decoded<'b>(body: &'b [u8], content_type: &str) -> Cow<'b, str> {
    let sixteen = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text = char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER));
        Cow::Owned(text.collect())
    };
    match body {
        [0xff, 0xfe, rest @ ..] => return sixteen(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return sixteen(rest, u16::from_be_bytes),
        _ => {}
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let is_latin = ["iso-8859-1", "latin1", "windows-1252"]
        .iter()
        .any(|name| content_type.contains(name));
    match std::str::from_utf8(body) {
        // It was cut off within a character, unless it is Latin-1 that ends with such a one.
        Err(error) if error.error_len().is_none() && content_type.contains("utf-8") => {
            String::from_utf8_lossy(&body[..error.valid_up_to()])
        }
        Ok(text) if !is_latin => Cow::Borrowed(text),
        _ => Cow::Owned(body.iter().copied().map(char::from).collect()),
    }
}

/// The title of an HTML page. What stands below it is for browsers.
fn page(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let is_page = lower.starts_with("<!doctype html") || lower.contains("<html");
    let title = lower.find("<title").and_then(|at| {
        let from = at + lower[at..].find('>')? + 1;
        let length = lower[from..].find("</title").unwrap_or(lower.len() - from);
        Some(&text[from..from + length])
    });
    match title {
        Some(title) if text.starts_with('<') && !title.trim().is_empty() => {
            let mut title = title.split_whitespace().collect::<Vec<_>>().join(" ");
            for (entity, character) in [
                ("&lt;", "<"),
                ("&gt;", ">"),
                ("&quot;", "\""),
                ("&#39;", "'"),
                ("&nbsp;", " "),
                ("&amp;", "&"),
            ] {
                title = title.replace(entity, character);
            }
            Some(format!("a page with the title \"{title}\""))
        }
        _ => is_page.then(|| "a page without a title".to_owned()),
    }
}

/// The explanations in a JSON text, without repetition.
fn collect(value: &Value, depth: usize, parts: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::String(text) => {
            let text = text.trim();
            if !text.is_empty() && !parts.iter().any(|part| part.contains(text)) {
                parts.push(text.to_owned());
            }
        }
        Value::Array(elements) => {
            for element in elements.iter().take(ELEMENTS) {
                collect(element, depth - 1, parts);
            }
        }
        Value::Object(members) => {
            for name in NAMES {
                if let Some(member) = members.get(name) {
                    collect(member, depth - 1, parts);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(body: &[u8], content_type: &str) -> String {
        said(body, content_type, "Forbidden", Speaker::Server).unwrap_or_default()
    }

    #[test]
    fn bodies_by_their_form() {
        let json = "application/json";
        for (body, content_type, expected) in [
            (
                r#"{"error":"no","error_description":"not you"}"#,
                json,
                "no: not you",
            ),
            (r#"{"error":{"code":7,"message":"deep"}}"#, json, "deep"),
            (
                r#"{"errors":[{"message":"one"},{"message":"two"}],"data":null}"#,
                json,
                "one: two",
            ),
            (
                r#"{"title":"Out of credit","detail":"30 < 50","status":403}"#,
                "application/problem+json",
                "Out of credit: 30 < 50",
            ),
            (
                r#"{"detail":[{"loc":["body","x"],"msg":"field required"}]}"#,
                json,
                "field required",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Bad key"}}"#,
                json,
                "Bad key",
            ),
            (
                r#"{"error":"Forbidden","message":"The key is of another team"}"#,
                json,
                "The key is of another team",
            ),
            (r#"{"message":"same","error":"same"}"#, json, "same"),
            (r#"{"blocked":"1.2.3.4"}"#, json, r#"{"blocked":"1.2.3.4"}"#),
            (r#""just text""#, json, "just text"),
            ("{\"error\":", json, "{\"error\":"),
            ("  no such tenant\n", "text/plain", "no such tenant"),
            ("not on the list", "text/html", "not on the list"),
            ("Forbidden", "text/plain", ""),
            ("", "", ""),
            (
                "<!DOCTYPE html><html><head><TITLE lang=en>\n 502 &amp; Bad\n Gateway </TITLE></head><body>secret</body>",
                "text/html",
                "a page with the title \"502 & Bad Gateway\"",
            ),
            (
                "<html><body>hello</body></html>",
                "",
                "a page without a title",
            ),
            (
                "<?xml version=\"1.0\"?><Error/>",
                "text/xml",
                "<?xml version=\"1.0\"?><Error/>",
            ),
            (
                "error=bad_code&error_description=It+is+used&access_token=a",
                "application/x-www-form-urlencoded",
                "bad_code: It is used",
            ),
        ] {
            assert_eq!(server(body.as_bytes(), content_type), expected, "{body}");
        }
    }

    #[test]
    fn bodies_by_their_charset() {
        for (body, content_type, expected) in [
            (&b"\xef\xbb\xbfno"[..], "text/plain", "no"),
            (b"caf\xc3\xa9", "text/plain", "café"),
            (b"caf\xe9", "text/plain", "café"),
            (b"caf\xe9", "text/plain; charset=ISO-8859-1", "café"),
            (b"caf\xc3", "text/plain; charset=utf-8", "caf"),
            (b"\xff\xfen\0o\0", "text/plain; charset=utf-16", "no"),
            (b"\x89PNG\r\n\x1a\n\0\0\0", "image/png", ""),
        ] {
            assert_eq!(
                server(body, content_type),
                expected,
                "{}",
                body.escape_ascii()
            );
        }
    }

    #[test]
    fn of_an_authorization_server_only_explanations_are_told() {
        let told = |body: &str| {
            said(
                body.as_bytes(),
                "application/json",
                "",
                Speaker::AuthorizationServer,
            )
        };
        assert_eq!(told(r#"{"access_token":"a"}"#), None);
        assert_eq!(
            told(r#"{"error":"no","access_token":"a"}"#).as_deref(),
            Some("no")
        );
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("{}\"x\"{}", r#"{"error":"#.repeat(9), "}".repeat(9));
        assert_eq!(server(deep.as_bytes(), ""), deep);
    }
}
