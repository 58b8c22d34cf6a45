//! What the provider refuses, and what is made of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use librechat_mcp_native::error::{Code, Error, OboDetail, OboReason};
use serde_json::{Value, json};

use super::host::{Parts, federated, host};
use super::idp::{Answer, Idp, TokenRequest, answer, error, token, with_header};
use super::{exchange, obo};

/// What the exchange for a user comes to where the provider answers so.
async fn refused(
    script: impl Fn(&TokenRequest, usize) -> Answer + Send + Sync + 'static,
) -> (Error, Idp) {
    let idp = Idp::start(Duration::ZERO, script).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    (exchange(&obo(), &host, 1).await.unwrap_err(), idp)
}

#[tokio::test]
async fn told_apart_by_their_members() {
    use OboDetail::{
        BadAssertion, ClientCredentials, ConsentRequired, ExpiredAssertion, InteractionRequired,
        InvalidResponse, InvalidScope, Throttled, Unavailable,
    };
    // A second word is the `suberror`.
    for (status, names, code, detail) in [
        (
            400,
            "invalid_grant consent_required",
            65001,
            ConsentRequired,
        ),
        (400, "consent_required", 65001, ConsentRequired),
        (400, "invalid_grant", 50013, BadAssertion),
        (400, "invalid_grant", 500_133, ExpiredAssertion),
        (400, "invalid_grant token_expired", 50013, ExpiredAssertion),
        (
            400,
            "interaction_required basic_action",
            50076,
            InteractionRequired,
        ),
        (401, "invalid_client", 7_000_215, ClientCredentials),
        (400, "unauthorized_client", 700_016, ClientCredentials),
        (400, "invalid_scope", 70011, InvalidScope),
        (400, "invalid_resource", 500_011, InvalidScope),
        (429, "throttled", 90055, Throttled),
        (503, "temporarily_unavailable", 90033, Unavailable),
        (500, "server_error", 90002, Unavailable),
        (400, "something_new", 1, InvalidResponse),
    ] {
        let (name, suberror) = names.split_once(' ').unwrap_or((names, ""));
        let retryable = matches!(detail, Throttled | Unavailable);
        let (failed, idp) = refused(move |_, _| match suberror {
            "" => error(status, name, code, &json!({})),
            _ => error(status, name, code, &json!({ "suberror": suberror })),
        })
        .await;
        assert_eq!(failed.code, Code::OboExchangeFailed, "{name}");
        assert_eq!(failed.retryable, retryable, "{name}");
        assert_eq!(failed.status, Some(status), "{name}");
        assert_eq!(idp.count(), if retryable { 2 } else { 1 }, "{name}");
        let failure = failed.obo.unwrap();
        assert_eq!(failure.reason, OboReason::ExchangeFailed);
        assert_eq!(failure.detail, Some(detail), "{name} {code}");
        assert_eq!(failure.answer.error.as_deref(), Some(name));
        assert_eq!(failure.answer.error_codes, [code]);
        assert!(failure.answer.trace_id.unwrap().ends_with("0001"));
        assert!(failure.answer.correlation_id.unwrap().ends_with("0002"));
        assert!(failure.answer.description.unwrap().starts_with("AADSTS"));
    }
}

#[tokio::test]
async fn numbers_in_texts_mean_nothing() {
    let body = json!({ "error": "invalid_grant", "error_description": "AADSTS65001 AADSTS500133: 503 temporarily unavailable" });
    let (failed, _) = refused(move |_, _| answer(400, &body)).await;
    assert_eq!(failed.obo.unwrap().detail, Some(OboDetail::BadAssertion));
    assert!(!failed.retryable);
}

#[tokio::test]
async fn claims_stop_everything() {
    let claims = r#"{"access_token":{"capolids":{"essential":true,"values":["c"]}}}"#;
    for (status, name, code) in [
        (400, "interaction_required", 50079),
        (400, "invalid_grant", 53003),
        (503, "temporarily_unavailable", 90033),
    ] {
        for sent in [json!(claims), serde_json::from_str(claims).unwrap()] {
            let extra = json!({ "claims": sent, "suberror": "basic_action" });
            let (failed, idp) = refused(move |_, _| error(status, name, code, &extra)).await;
            assert_eq!(
                (failed.code, failed.retryable),
                (Code::OboClaimsChallenge, false)
            );
            assert_eq!(idp.count(), 1, "never again");
            let received: Value =
                serde_json::from_str(&failed.obo.unwrap().claims.unwrap()).unwrap();
            assert_eq!(received, serde_json::from_str::<Value>(claims).unwrap());
        }
    }
    for empty in [json!(""), json!(null), json!({}), json!(5)] {
        let extra = json!({ "claims": empty });
        let script = move |_: &_, _| error(400, "interaction_required", 50079, &extra);
        let (failed, _) = refused(script).await;
        assert_eq!(failed.code, Code::OboExchangeFailed);
    }
}

#[tokio::test]
async fn retry_after() {
    let date = |seconds: u64| {
        let at = DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(seconds));
        at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (value, waits) in [
        // First, since its time runs.
        (date(4), Some(500)),
        ("1".to_owned(), Some(900)),
        ("0".to_owned(), Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), Some(0)),
        ("soon".to_owned(), Some(250)),
        ("6".to_owned(), None),
        (date(60), None),
    ] {
        let header = format!("retry-after: {value}");
        let idp = Idp::start(Duration::ZERO, move |_, number| match number {
            1 => with_header(error(429, "throttled", 90055, &json!({})), &header),
            _ => token("t", 3600),
        })
        .await;
        let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
        let outcome = exchange(&obo(), &host, 1).await;
        let requests = idp.requests();
        if let Some(least) = waits {
            assert!(outcome.is_ok(), "{value}");
            let waited = requests[1].at - requests[0].at;
            assert!(
                waited >= Duration::from_millis(least),
                "{value}: {waited:?}"
            );
        } else {
            assert!(outcome.unwrap_err().retryable, "{value}");
            assert_eq!(requests.len(), 1, "{value}");
        }
    }
}

#[tokio::test]
async fn network_faults_are_retried_once() {
    let idp = Idp::start(Duration::ZERO, |_, number| match number {
        1 => Answer::Reset,
        _ => token("t", 3600),
    })
    .await;
    let (host_of_one, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    assert!(exchange(&obo(), &host_of_one, 1).await.is_ok());
    assert_eq!(idp.count(), 2);
    assert!(
        lines
            .text()
            .contains("Transient OBO exchange failure for user: oid-1, retrying once")
    );

    // It keeps the port for itself, and does not listen.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}/token", silent.local_addr().unwrap());
    let (host, _) = host(&Arc::new(Parts::new(&endpoint)), None);
    let failed = exchange(&obo(), &host, 1).await.unwrap_err();
    assert_eq!(
        (failed.code, failed.retryable),
        (Code::OboExchangeFailed, true)
    );
    assert_eq!(failed.obo.unwrap().detail, Some(OboDetail::Unavailable));
}

#[tokio::test]
async fn answers_that_are_no_token() {
    let raw = |status: u16, body: &'static str| {
        move |_: &TokenRequest, _: usize| Answer::Send {
            status,
            headers: "location: http://127.0.0.1:1/elsewhere\r\n".to_owned(),
            body: body.to_owned(),
        }
    };
    for (status, body, reason) in [
        (200, "", OboReason::ExchangeFailed),
        (200, "<html>", OboReason::ExchangeFailed),
        (200, "[]", OboReason::ExchangeFailed),
        (200, "{}", OboReason::EmptyExchangeResponse),
        (
            200,
            r#"{"access_token":""}"#,
            OboReason::EmptyExchangeResponse,
        ),
        (
            200,
            r#"{"access_token":5}"#,
            OboReason::EmptyExchangeResponse,
        ),
        (
            200,
            r#"{"access_token":"t","token_type":"pop"}"#,
            OboReason::ExchangeFailed,
        ),
        (
            200,
            r#"{"access_token":"a\r\nX: y"}"#,
            OboReason::ExchangeFailed,
        ),
        (200, r#"{"access_token":"a b"}"#, OboReason::ExchangeFailed),
        (302, "", OboReason::ExchangeFailed),
        (307, "", OboReason::ExchangeFailed),
        (404, "not found", OboReason::ExchangeFailed),
    ] {
        let (failed, idp) = refused(raw(status, body)).await;
        assert_eq!(failed.code, Code::OboExchangeFailed, "{status} {body}");
        assert!(!failed.retryable, "{status} {body}");
        assert_eq!(idp.count(), 1, "{status} {body}");
        assert_eq!(failed.obo.unwrap().reason, reason, "{status} {body}");
    }
}

#[tokio::test]
async fn nothing_that_was_sent_comes_back() {
    let assertion = federated(1).expose().clone();
    let part = assertion[20..40].to_owned();
    let each_byte = |write: fn(u8) -> String| part.bytes().map(write).collect::<String>();
    for echo in [
        assertion.clone(),
        format!("assertion={part}..."),
        "the secret s3cret-of-the-client is wrong".to_owned(),
        "s3cret-of-th".to_owned(),
        STANDARD.encode(format!("client:{assertion}")),
        STANDARD.encode("client:s3cret-of-the-client"),
        each_byte(|byte| format!("%{byte:02x}")),
        each_byte(|byte| format!("{byte:02X}")),
    ] {
        let extra = json!({
            "error_description": format!("No good: {echo}"),
            "suberror": echo,
            "trace_id": echo,
            "correlation_id": echo,
            "error_uri": echo,
            "claims": json!({ "access_token": { "nonce": echo } }).to_string(),
            "trace": { "request": echo },
        });
        let idp = Idp::start(Duration::ZERO, move |_, _| {
            error(503, "temporarily_unavailable", 1, &extra)
        })
        .await;
        let (host, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
        let failed = exchange(&obo(), &host, 1).await.unwrap_err();
        let shown = format!("{failed} {failed:?} {}", lines.text());
        for secret in [&echo, &part, "s3cret"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("temporarily_unavailable"));
    }
}
