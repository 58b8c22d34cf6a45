//! How long stored tokens live.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::documents::{Tokens, number};

/// Lifetime of what says nothing about it, in seconds.
pub const YEAR: i64 = 365 * 24 * 60 * 60;

/// How long the access token lives, in seconds: as stated, else a year. So it is where that is over, as in `LibreChat`.
#[must_use]
pub fn lifetime(tokens: &Tokens, now: i64) -> i64 {
    let stated = stated_lifetime(tokens, now);
    stated.filter(|seconds| *seconds > 0).unwrap_or(YEAR)
}

/// How long the access token lives, in seconds: as its response says, else as the token itself says where it is a JWT
/// (RFC 9068). It may be over already.
#[must_use]
pub fn stated_lifetime(tokens: &Tokens, now: i64) -> Option<i64> {
    let until = |end: i64| end.saturating_sub(now).div_euclid(1000);
    if let Some(end) = tokens.expires_at() {
        return Some(until(end));
    }
    tokens
        .number("expires_in")
        .or_else(|| jwt_expiry(tokens.access_token().expose()).map(until))
}

/// The `exp` claim in milliseconds. The signature is the resource server's to judge.
fn jwt_expiry(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("exp").filter(|exp| exp.is_number())?;
    number(&claims, "exp").map(|seconds| seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetimes() {
        let now = 1_700_000_000_000;
        let jwt = |claims: Value| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
        for (tokens, expected) in [
            (json!({ "expires_at": now + 61_500 }), 61),
            (json!({ "expires_at": now / 1000 + 60 }), 60),
            (json!({ "expires_at": now - 1 }), YEAR),
            (json!({ "expires_in": 100 }), 100),
            (json!({ "expires_in": "100" }), 100),
            (json!({ "expires_in": 0 }), YEAR),
            (
                json!({ "access_token": jwt(json!({ "exp": now / 1000 + 7 })) }),
                7,
            ),
            (
                json!({ "access_token": jwt(json!({ "exp": now / 1000 - 7 })) }),
                YEAR,
            ),
            (json!({ "access_token": jwt(json!({ "exp": "7" })) }), YEAR),
            (
                json!({ "access_token": jwt(json!({ "exp": -1e300 })) }),
                YEAR,
            ),
            (json!({ "expires_at": -1e300 }), YEAR),
            (json!({ "access_token": "a.b.c" }), YEAR),
            (json!({ "access_token": "opaque" }), YEAR),
        ] {
            let tokens = Tokens(tokens.as_object().unwrap().clone());
            assert_eq!(lifetime(&tokens, now), expected, "{:?}", tokens.0);
        }
    }
}
