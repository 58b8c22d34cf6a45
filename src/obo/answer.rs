//! What a token endpoint answered: a token, or an error and whose it is.
//!
//! Errors are told apart by their `error` member (RFC 6749, section 5.2) and Entra's structured additions, never by
//! their texts. What a text repeats of the request is cut out.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::clock::retry_after;
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result, TokenError};
use crate::foreign_text::{SentSecrets, Speaker, foreign_text, foreign_words, said};
use crate::secret::Secret;

/// The reference's lifetime where the provider names none.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
/// `Retry-After` up to here is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A token that can be used.
#[derive(Debug)]
pub struct Grant {
    pub token: Secret,
    pub lifetime: Duration,
    pub may_be_cached: bool,
}

/// A request that brought no token.
#[derive(Debug)]
pub struct Failure {
    pub error: Box<Error>,
    pub retry: Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Never,
    Soon,
    After(Duration),
}

impl Failure {
    /// An answer that is no use, and will be none the next time.
    #[must_use]
    pub fn of_answer(status: StatusCode, error: Error) -> Self {
        Self {
            error: Box::new(error.with_status(status.as_u16())),
            retry: Retry::Never,
        }
    }
}

impl From<Error> for Failure {
    /// What went wrong before there was an answer. Network faults and timeouts pass, others do not.
    fn from(error: Error) -> Self {
        let passes = error.retryable
            && matches!(
                error.code,
                Code::ConnectionFailed | Code::ConnectionLost | Code::Timeout
            );
        let retry = if passes { Retry::Soon } else { Retry::Never };
        Self {
            error: Box::new(error),
            retry,
        }
    }
}

/// Reads an answer: the members of a successful one. `sent` are the secrets of the request.
pub fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: &SentSecrets,
) -> Result<Map<String, Value>, Failure> {
    let members = serde_json::from_slice::<Map<String, Value>>(body);
    if !status.is_success() {
        let kind = headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        let words = said(
            body,
            kind.unwrap_or_default(),
            "",
            Speaker::AuthorizationServer,
        );
        let words = foreign_words(&words.unwrap_or_default(), sent);
        let members = members.unwrap_or_default();
        return Err(refusal(status, headers, &members, &words, sent));
    }
    members.map_err(|_| {
        let error = invalid("The token endpoint answered something that is no JSON object");
        Failure::of_answer(status, error)
    })
}

/// The token of a successful answer.
pub fn granted(status: StatusCode, members: &Map<String, Value>) -> Result<Grant, Failure> {
    grant(members).map_err(|error| Failure::of_answer(status, error))
}

fn grant(members: &Map<String, Value>) -> Result<Grant> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let token = text("access_token").unwrap_or_default();
    if token.is_empty() {
        let message = "The token endpoint's answer holds no access token";
        return Err(Error::new(Code::OboExchangeFailed, message)
            .with_obo(OboFailure::new(OboReason::EmptyExchangeResponse)));
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(invalid(
            "The token endpoint answered with a token that is no bearer token",
        ));
    }
    let token = Secret::from(token);
    check(&token)?;
    let seconds = members.get("expires_in").and_then(seconds);
    let claims = members.get("claims").and_then(claims);
    Ok(Grant {
        token,
        lifetime: seconds
            .filter(|seconds| *seconds > 0)
            .map_or(DEFAULT_LIFETIME, Duration::from_secs),
        // A provider that says zero means it; the reference's hour is for those that say nothing.
        may_be_cached: seconds != Some(0) && claims.is_none(),
    })
}

/// A token that a header cannot carry must not end as a request without one.
pub(super) fn check(token: &Secret) -> Result<()> {
    let token = token.expose();
    let is_sendable =
        token.bytes().all(|byte| byte.is_ascii_graphic()) && HeaderValue::from_str(token).is_ok();
    if is_sendable {
        Ok(())
    } else {
        Err(invalid("The access token cannot be sent in a header"))
    }
}

/// Some providers write the number as a text.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    Duration::try_from_secs_f64(number.max(0.0))
        .ok()
        .map(|duration| duration.as_secs())
}

fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    members: &Map<String, Value>,
    words: &str,
    sent: &SentSecrets,
) -> Failure {
    let answer = token_error(members, sent);
    // They are for the host to use as they are, so there is nothing to cut out.
    let claims = members.get("claims").and_then(claims);
    let claims = claims.filter(|claims| !sent.are_in(claims));
    let detail = detail(status, &answer);
    let mut message = format!("The token endpoint answered HTTP {}", status.as_u16());
    // The words begin with the error, where there is one.
    let suberror = answer.suberror.as_deref().unwrap_or_default();
    for part in [words, suberror].into_iter().filter(|it| !it.is_empty()) {
        message.push_str(": ");
        message.push_str(part);
    }
    let passes = claims.is_none()
        && (status == StatusCode::TOO_MANY_REQUESTS
            || status.is_server_error()
            || answer.error.as_deref() == Some("temporarily_unavailable"));
    let code = if claims.is_some() {
        Code::OboClaimsChallenge
    } else {
        Code::OboExchangeFailed
    };
    let error = Error::new(code, message)
        .with_status(status.as_u16())
        .with_retryable(passes)
        .with_obo(OboFailure {
            detail: Some(detail),
            claims,
            answer,
            ..OboFailure::new(OboReason::ExchangeFailed)
        });
    let retry = match retry_after(headers) {
        _ if !passes => Retry::Never,
        None => Retry::Soon,
        Some(wait) if wait <= LONGEST_WAIT => Retry::After(wait),
        Some(_) => Retry::Never,
    };
    Failure {
        error: Box::new(error),
        retry,
    }
}

/// Whose fault it is. `error` decides; `suberror` and `error_codes`, Entra's own members, refine `invalid_grant`.
fn detail(status: StatusCode, answer: &TokenError) -> OboDetail {
    /// `AADSTS500133` (assertion outside of its time) and `AADSTS700082` (refresh token expired).
    const EXPIRED: [i64; 2] = [500_133, 700_082];
    let suberror = answer.suberror.as_deref();
    let named = match answer.error.as_deref().unwrap_or_default() {
        "invalid_grant" | "interaction_required" if suberror == Some("consent_required") => {
            Some(OboDetail::ConsentRequired)
        }
        "invalid_grant" if suberror == Some("token_expired") => Some(OboDetail::ExpiredAssertion),
        "invalid_grant" if suberror == Some("basic_action") => Some(OboDetail::InteractionRequired),
        "invalid_grant" if answer.error_codes.iter().any(|code| EXPIRED.contains(code)) => {
            Some(OboDetail::ExpiredAssertion)
        }
        "invalid_grant" => Some(OboDetail::BadAssertion),
        "access_denied" => Some(OboDetail::AccessDenied),
        "consent_required" => Some(OboDetail::ConsentRequired),
        "interaction_required" | "login_required" => Some(OboDetail::InteractionRequired),
        "invalid_client" | "unauthorized_client" => Some(OboDetail::ClientCredentials),
        "invalid_scope" | "invalid_resource" | "invalid_target" => Some(OboDetail::InvalidScope),
        "temporarily_unavailable" | "server_error" => Some(OboDetail::Unavailable),
        _ => None,
    };
    match named {
        _ if status == StatusCode::TOO_MANY_REQUESTS => OboDetail::Throttled,
        Some(detail) => detail,
        None if status.is_server_error() => OboDetail::Unavailable,
        None => OboDetail::InvalidResponse,
    }
}

/// A claims request: a JSON text, or the object itself.
fn claims(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Object(object) if !object.is_empty() => Some(value.to_string()),
        _ => None,
    }
}

fn token_error(members: &Map<String, Value>, sent: &SentSecrets) -> TokenError {
    let text = |name: &str| {
        let text = members.get(name).and_then(Value::as_str)?;
        Some(foreign_text(text, sent))
    };
    let is_word = |text: &String| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
    };
    let word = |name| text(name).filter(is_word);
    let codes = members.get("error_codes").and_then(Value::as_array);
    TokenError {
        error: word("error"),
        description: text("error_description"),
        suberror: word("suberror"),
        error_codes: codes
            .into_iter()
            .flatten()
            .filter_map(Value::as_i64)
            .collect(),
        trace_id: word("trace_id"),
        correlation_id: word("correlation_id"),
    }
}

/// An answer that is no token answer, or a token that is none.
#[must_use]
pub fn invalid(message: &str) -> Error {
    Error::new(Code::OboExchangeFailed, message).with_obo(OboFailure {
        detail: Some(OboDetail::InvalidResponse),
        ..OboFailure::new(OboReason::ExchangeFailed)
    })
}
