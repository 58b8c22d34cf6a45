//! Which members of forms, queries and JSON are secret by their name.

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
/// How names end, without their separators and in small letters, whose values are secret wherever they are.
const ENDINGS: [&str; 12] = [
    "accesskey",
    "apikey",
    "assertion",
    "authorization",
    "credential",
    "jwt",
    "passphrase",
    "password",
    "privatekey",
    "secret",
    "token",
    "verifier",
];
/// They end so, and are none.
const HARMLESS: [&str; 2] = ["progresstoken", "nexttoken"];

/// Whether a member is secret in a text of `is_oauth`, or in one of MCP.
pub(super) fn is_secret(name: &str, is_oauth: bool) -> bool {
    let mut plain = name.to_ascii_lowercase();
    plain.retain(|letter| letter.is_ascii_alphanumeric());
    if HARMLESS.contains(&plain.as_str()) {
        return false;
    }
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
        || is_oauth && OF_OAUTH.contains(&plain.as_str())
}
