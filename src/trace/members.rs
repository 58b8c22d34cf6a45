//! Which members of forms, queries and JSON are secret by their name.

/// Stands for what is secret.
pub(super) const REDACTED: &str = "‹redacted›";

/// Of authorization, where they are no words of other texts.
const OF_OAUTH: [&str; 9] = [
    "code",
    "codechallenge",
    "devicecode",
    "jti",
    "nonce",
    "request",
    "requesturi",
    "state",
    "usercode",
];
/// How names end, without their separators, in small letters and in the singular, whose values are secret wherever they are.
const ENDINGS: [&str; 14] = [
    "accesskey",
    "apikey",
    "assertion",
    "authorization",
    "credential",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "token",
    "verifier",
];
/// They end so, and are none.
const HARMLESS: [&str; 2] = ["progresstoken", "nexttoken"];
/// What an answer with tokens says besides them (RFC 6749, section 5; RFC 8693, section 2.2.1; RFC 9126, section 2.2).
const PUBLIC_OF_GRANTS: [&str; 9] = [
    "error",
    "errordescription",
    "erroruri",
    "expiresin",
    "extexpiresin",
    "issuedtokentype",
    "refreshexpiresin",
    "scope",
    "tokentype",
];

/// Whether a member is secret in a text of `is_oauth`, or in one of MCP.
pub(super) fn is_secret(name: &str, is_oauth: bool) -> bool {
    let plain = plain(name);
    is_credential(&plain) || is_oauth && OF_OAUTH.contains(&plain.as_str())
}

/// Whether a number is secret under this name: a status is called `code`, and how long a text is `maxTokens`.
pub(super) fn is_secret_number(name: &str, number: &str, is_oauth: bool) -> bool {
    /// In digits.
    const SHORTEST_CODE: usize = 6;
    let plain = plain(name);
    is_credential(&plain) && !plain.ends_with("tokens")
        || is_oauth && number.len() >= SHORTEST_CODE && OF_OAUTH.contains(&plain.as_str())
}

/// Whether a list or an object is secret as a whole.
pub(super) fn is_secret_whole(name: &str) -> bool {
    is_credential(&plain(name))
}

/// Whether an answer with tokens may tell the member.
pub(super) fn is_public_of_grants(name: &str) -> bool {
    PUBLIC_OF_GRANTS.contains(&plain(name).as_str())
}

fn plain(name: &str) -> String {
    let mut plain = name.to_ascii_lowercase();
    plain.retain(|letter| letter.is_ascii_alphanumeric());
    plain
}

fn is_credential(plain: &str) -> bool {
    let singular = plain.strip_suffix('s').unwrap_or(plain);
    !HARMLESS.contains(&plain)
        && ENDINGS
            .iter()
            .any(|ending| plain.ends_with(ending) || singular.ends_with(ending))
}

/// A text of JSON that cannot be parsed, because it was cut, say, without the values of its secret members.
pub(super) fn without_members(text: &str, is_oauth: bool) -> String {
    let mut told = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    while let Some(found) = text[at..].find('"') {
        let start = at + found;
        let end = end_of_string(text, start);
        at = end;
        let rest = text[end..].trim_start();
        let Some(value) = rest.strip_prefix(':').map(str::trim_start) else {
            continue;
        };
        let name = &text[start + 1..end.max(start + 2) - 1];
        let value_at = text.len() - value.len();
        let length = secret_length(name, value, is_oauth);
        if length > 0 {
            told.push_str(&text[from..value_at]);
            told.push('"');
            told.push_str(REDACTED);
            told.push('"');
            from = value_at + length;
            at = from;
        }
    }
    told + &text[from..]
}

/// How much of what stands where the value of a member does is that, if it is secret, in bytes.
fn secret_length(name: &str, value: &str, is_oauth: bool) -> usize {
    match value.bytes().next() {
        Some(b'"') if is_secret(name, is_oauth) => end_of_string(value, 0),
        Some(b'[' | b'{') if is_secret_whole(name) => end_of_whole(value),
        Some(b'-' | b'0'..=b'9') => {
            let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
            let number = &value[..end.unwrap_or(value.len())];
            if is_secret_number(name, number, is_oauth) {
                number.len()
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// Where the string ends that begins at `start`, after its quotation mark; the end of the text where it has none.
fn end_of_string(text: &str, start: usize) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the list or object ends that the text begins with.
fn end_of_whole(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at = end_of_string(text, at) - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}
