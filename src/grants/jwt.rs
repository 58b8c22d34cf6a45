//! What assertions of others say of themselves. Nobody here verifies them: that is for whom they are for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::clock::now_ms;
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::secret::Secret;

/// RFC 7523, section 2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Far more than any JWT, in bytes.
pub(super) const LONGEST_JWT: usize = 64 * 1024;

/// The claims of a compact JWS (RFC 7515, section 7.1); `None` for anything else. Nothing else is sent to an authorization
/// server: a file that was named by mistake stays here.
pub(super) fn claims(assertion: &Secret) -> Option<Map<String, Value>> {
    let text = assertion.expose();
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return None;
    };
    let decoded = |part| URL_SAFE_NO_PAD.decode(part).ok();
    let object = |part| serde_json::from_slice(&decoded(part)?).ok();
    let _: Map<String, Value> = object(header)?;
    let is_signed = decoded(signature).is_some_and(|signature| !signature.is_empty());
    object(claims).filter(|_| is_signed && text.len() <= LONGEST_JWT)
}

/// Whom an assertion is for (RFC 7519, section 4.1.3).
pub(super) fn audience(assertion: &Secret) -> Vec<String> {
    let audience = claims(assertion).and_then(|mut claims| claims.remove("aud"));
    match audience {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => {
            let texts = several.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// What an assertion that was refused says of itself, for whoever has to mend it: where it comes from, whether it has
/// expired, whom it is for.
pub(super) fn described(source: &str, assertion: &Secret) -> String {
    let claims = claims(assertion).unwrap_or_default();
    let mut told = format!("the assertion of {source}");
    if let Some(expiry) = claims.get("exp").and_then(Value::as_f64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let left = expiry - (now_ms() / 1000) as f64;
        told = if left > 0.0 {
            format!("{told} lasts {left:.0} s more")
        } else {
            format!("{told} has expired {:.0} s ago", -left)
        };
    }
    let sent = SentSecrets::from(vec![assertion.clone()]);
    if let Some(audience) = claims.get("aud") {
        let audience = foreign_text(&audience.to_string(), &sent);
        told = format!("{told}, and is for {audience}");
    }
    told
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A JWT with these claims, signed by nobody.
    pub fn jwt(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = serde_json::json!({ "alg": "RS256" });
        format!("{}.{}.c2ln", part(&header), part(claims))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::jwt;
    use super::*;

    #[test]
    fn what_a_refused_assertion_says_of_itself() {
        let now = now_ms() / 1000;
        for (claims, expected) in [
            (json!({}), "the assertion of /run/token"),
            (json!({ "exp": now - 3600 }), "has expired"),
            (
                json!({ "exp": now + 3600, "aud": ["a", "b"] }),
                r#"and is for ["a","b"]"#,
            ),
            (json!({ "aud": "a\u{1b}[31m\nb" }), r"and is for"),
        ] {
            let assertion = Secret::new(jwt(&claims));
            let told = described("/run/token", &assertion);
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains(char::is_control), "{told}");
            assert!(!told.contains(assertion.expose().as_str()), "{told}");
        }
    }
}
