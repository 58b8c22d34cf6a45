//! A server that wants more than the token proves: a 401 with `insufficient_claims` (Microsoft's claims challenge; the
//! step-up of RFC 9470 has the same form).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Code, Error, OboDetail, OboFailure, OboReason};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What a server's refusal means where the connection has a token on behalf of the user: `None` unless the server asks
/// for claims, for which no new exchange can help but only a new login.
#[must_use]
pub fn claims_challenge(error: &Error) -> Option<Error> {
    let challenge = error.challenge.as_deref()?;
    let parameters = parameters(challenge);
    let find = |name: &str| {
        let mut named = parameters.iter();
        named
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    if find("error") != Some("insufficient_claims") {
        return None;
    }
    let claims = find("claims").filter(|claims| !claims.is_empty())?;
    let failure = OboFailure {
        detail: Some(OboDetail::InteractionRequired),
        claims: Some(decoded(claims)),
        ..OboFailure::new(OboReason::ExchangeFailed)
    };
    let message = "The server asks for claims that the user's login does not have";
    let mut refusal = Error::new(Code::OboClaimsChallenge, message)
        .with_obo(failure)
        .caused_by(error.clone());
    refusal.status = error.status;
    Some(refusal)
}

/// The header carries the claims in base64; a token endpoint, and a login, speak plain JSON.
fn decoded(claims: &str) -> String {
    let is_object = |text: &str| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    };
    [&STANDARD, &URL_SAFE]
        .into_iter()
        .filter_map(|engine| engine.decode(claims).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .find(|text| is_object(text))
        .unwrap_or_else(|| claims.to_owned())
}

/// The `name=value` pairs of a challenge (RFC 9110, section 11.4), of all its schemes together.
fn parameters(challenge: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = challenge;
    while let Some(at) = rest.find('=') {
        let name = rest[..at].trim_end();
        let name = &name[name.rfind([' ', ',', '\t']).map_or(0, |at| at + 1)..];
        rest = rest[at + 1..].trim_start();
        let value = if let Some(quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut characters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                    other => value.push(other),
                }
            }
            rest = &quoted[end..];
            value
        } else {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let value = rest[..end].to_owned();
            rest = &rest[end..];
            value
        };
        found.push((name.to_owned(), value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenged(challenge: &str) -> Option<Error> {
        let refused = Error::http_status(401, "no").with_challenge(Some(challenge.to_owned()));
        claims_challenge(&refused)
    }

    #[test]
    fn claims_are_handed_on() {
        let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
        let encoded = base64::engine::general_purpose::STANDARD.encode(claims);
        for challenge in [
            format!(
                r#"Bearer realm="", authorization_uri="https://x/a?b=c", error="insufficient_claims", claims="{encoded}""#
            ),
            format!(
                "Bearer error=insufficient_claims,claims={}",
                encoded.trim_end_matches('=')
            ),
            format!(
                r#"Basic realm="a, \"b\" = c", Bearer claims = "{encoded}", error = "insufficient_claims""#
            ),
            format!(
                r#"Bearer error="insufficient_claims", claims="{}""#,
                claims.replace('"', "\\\"")
            ),
        ] {
            let error = challenged(&challenge).expect(&challenge);
            assert_eq!(error.code, Code::OboClaimsChallenge);
            assert!(!error.retryable);
            assert_eq!(error.status, Some(401));
            assert_eq!(error.obo.unwrap().claims.unwrap(), claims, "{challenge}");
        }
    }

    #[test]
    fn other_refusals() {
        for challenge in [
            "",
            "Bearer",
            r#"Bearer error="invalid_token""#,
            r#"Bearer error="insufficient_claims""#,
            r#"Bearer error="insufficient_claims", claims="""#,
            r#"Bearer error="invalid_token", claims="e30""#,
            r#"Bearer error="insufficient_claims"#,
            "====",
        ] {
            assert!(challenged(challenge).is_none(), "{challenge}");
        }
        assert!(claims_challenge(&Error::http_status(401, "no")).is_none());
    }
}
