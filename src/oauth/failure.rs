//! What is told of logins that failed, and of tokens that were refused although a login has just brought them.

use super::challenge::BearerChallenge;
use crate::error::{Code, Error};
use crate::foreign_text::{SentSecrets, foreign_words};

/// What a token request at the end of a flow failed with begins so.
pub(super) const EXCHANGE_FAILED: &str = "Token exchange failed: ";
/// It was not sent: what proves who the client is was not to be had.
pub(super) const UNPROVEN: &str = "Token exchange failed: the client cannot prove who it is";

/// Who mends `invalid_client` (RFC 6749, section 5.2).
pub const CHECK_CLIENT: &str = "An operator has to check the client's `oauth.client_id`, and `oauth.client_secret` or `oauth.private_key_jwt`";

/// What a flow failed with may quote the authorization server, and is whatever its store says: what begins with an error
/// code of the standard is told, as the text of others.
pub(super) fn failure_text(error: Option<&str>) -> String {
    let told = match error {
        Some(error) if begins_with_code(error) => Some(words(error)),
        Some(error) if error.starts_with(UNPROVEN) => Some(
            "there is no assertion of the client, neither from `oauth.private_key_jwt` nor from getClientAssertion. \
             An operator finds in the log why"
                .to_owned(),
        ),
        Some(error) => error.strip_prefix(EXCHANGE_FAILED).map(exchange_text),
        None => None,
    };
    match told {
        Some(told) => format!("OAuth authentication failed: {told}"),
        None => "OAuth authentication failed".to_owned(),
    }
}

/// `400 Bad Request - invalid_grant: It is used`. Another program may have stored the whole of an answer there, which is
/// not told.
fn exchange_text(failure: &str) -> String {
    let (status, said) = failure.split_once(" - ").unwrap_or((failure, ""));
    if !status.starts_with(|first: char| first.is_ascii_digit()) {
        return "the token request failed. An operator finds in the log why".to_owned();
    }
    match said {
        said if begins_with_code(said) && code_of(said) == "invalid_client" => {
            format!("{}. {CHECK_CLIENT}", words(said))
        }
        said if begins_with_code(said) => words(said),
        "" => words(&format!("the token endpoint answered {status}")),
        said if said.starts_with(['{', '[', '<']) => exchange_text(status),
        said => words(&format!("the token endpoint answered {status}: {said}")),
    }
}

/// The secrets of the request were cut out before it was stored.
fn words(error: &str) -> String {
    foreign_words(error, &SentSecrets::default())
}

/// `access_denied` of `access_denied: The user declined`.
fn code_of(error: &str) -> &str {
    error.split_once(": ").map_or(error, |(code, _)| code)
}

fn begins_with_code(error: &str) -> bool {
    let code = code_of(error);
    (1..=64).contains(&code.len()) && code.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// Whether a request was refused by a server that takes no tokens but those of a `DPoP` key.
#[must_use]
pub fn wants_only_dpop(refusal: &Error) -> bool {
    let challenge = refusal.challenge.as_deref();
    let challenge = challenge.and_then(BearerChallenge::parse);
    challenge.is_some_and(|challenge| challenge.only_dpop.is_some())
}

/// An error of a request right after a login, which would only be repeated.
#[must_use]
pub fn after_login(error: Error) -> Error {
    if error.code != Code::AuthorizationRequired || error.status != Some(401) {
        return error;
    }
    let advice = if wants_only_dpop(&error) {
        "set `oauth.dpop: true`: the server takes no tokens but those of a DPoP key"
    } else {
        "check which tokens the server takes: `oauth.dpop`, `oauth.audience`, or, where the config has all endpoints, \
         `oauth.send_resource_parameter: true`"
    };
    Error {
        message: format!(
            "{error}: it refuses a token that was just issued, so that another login does not help. An operator has to \
             {advice}"
        ),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_logins_are_told_with_what_the_authorization_server_said() {
        for (error, expected) in [
            (None, "failed"),
            (Some("access_denied"), "failed: access_denied"),
            (
                Some("access_denied: The user\u{202e} declined"),
                "failed: access_denied: The user\\u{202e} declined",
            ),
            (Some("hunter2 said no"), "failed"),
            (Some("Hunter2: no"), "failed"),
            (
                Some("Token exchange failed: 400 Bad Request - invalid_grant: The code is used"),
                "failed: invalid_grant: The code is used",
            ),
            (
                Some("Token exchange failed: 502 Bad Gateway - The database is down"),
                "failed: the token endpoint answered 502 Bad Gateway: The database is down",
            ),
            (
                Some("Token exchange failed: 502 Bad Gateway - {\"token\":\"hunter2\"}"),
                "failed: the token endpoint answered 502 Bad Gateway",
            ),
            (
                Some("Token exchange failed: hunter2 refused"),
                "finds in the log why",
            ),
            (
                Some("Token exchange failed: the client cannot prove who it is: hunter2"),
                "getClientAssertion. An operator finds in the log why",
            ),
            (
                Some("Token exchange failed: 401 Unauthorized - invalid_client: It expired"),
                &format!("failed: invalid_client: It expired. {CHECK_CLIENT}"),
            ),
        ] {
            let text = failure_text(error);
            assert!(text.ends_with(expected), "{text}");
            assert!(!text.contains("unter2"), "{text}");
        }
    }
}
