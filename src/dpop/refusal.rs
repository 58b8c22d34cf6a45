//! Why a server refuses a proof (RFC 9449, sections 5, 7.1, 8 and 9).

use http::{HeaderMap, StatusCode};

use super::SCHEME;
use super::nonces::given;
use crate::challenges::{challenges, of_scheme, parameter};

/// What servers say that refuse a proof without a nonce, or with a wrong one.
const USE_NONCE: &str = "use_dpop_nonce";
/// The key, the time, or what else a proof is about is not as it should be.
pub const INVALID_PROOF: &str = "invalid_dpop_proof";

/// Whether a server that refuses a proof for this asks for the request again, with the nonce that comes with the refusal: it
/// has not carried it out.
#[must_use]
pub fn wants_nonce(error: &str, headers: &HeaderMap) -> bool {
    error == USE_NONCE && given(headers).is_some()
}

/// Why a resource refuses the proof of a request, as far as that has nothing to do with its token.
#[must_use]
pub fn refusal_of(status: StatusCode, challenge: &str) -> Option<&'static str> {
    if status != StatusCode::UNAUTHORIZED {
        return None;
    }
    let challenges = challenges(challenge);
    let error = parameter(of_scheme(&challenges, SCHEME)?, "error")?;
    let known = [USE_NONCE, INVALID_PROOF];
    known.into_iter().find(|known| *known == error)
}

/// What the server's clock says, to follow the words that it refuses a proof: a proof has a time.
#[must_use]
pub fn clock_note(headers: &HeaderMap) -> Option<String> {
    crate::clock::clock_note(headers, 0, "proofs")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let name = http::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn which_refusals_ask_for_the_request_again() {
        let nonce = headers("dpop-nonce", "n");
        assert!(wants_nonce("use_dpop_nonce", &nonce));
        assert!(!wants_nonce("use_dpop_nonce", &HeaderMap::new()));
        assert!(!wants_nonce(
            "use_dpop_nonce",
            &headers("dpop-nonce", "a b")
        ));
        assert!(!wants_nonce("invalid_dpop_proof", &nonce));
    }

    #[test]
    fn refusals_that_are_not_about_the_token() {
        for (challenge, expected) in [
            (
                r#"DPoP error="invalid_dpop_proof", algs="ES256""#,
                Some("invalid_dpop_proof"),
            ),
            ("dpop error=use_dpop_nonce", Some("use_dpop_nonce")),
            (
                r#"Bearer error="invalid_token", DPoP error="use_dpop_nonce""#,
                Some("use_dpop_nonce"),
            ),
            (r#"Bearer error="use_dpop_nonce""#, None),
            (r#"DPoP error="invalid_token""#, None),
            ("DPoP", None),
            ("Bearer", None),
        ] {
            let of = |status| refusal_of(status, challenge);
            assert_eq!(of(StatusCode::UNAUTHORIZED), expected, "{challenge}");
            assert_eq!(of(StatusCode::FORBIDDEN), None);
        }
    }
}
