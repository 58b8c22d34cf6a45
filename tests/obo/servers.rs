//! Tokens for servers: who may have one, and what people are told.

use std::sync::Arc;
use std::time::Duration;

use librechat_mcp_native::error::{Cause, Code, Error, OboFailure, OboReason, Result};
use librechat_mcp_native::host::{Host, OpenIdTokens, ResolvedToken, TokenResolver, User};
use librechat_mcp_native::obo::{GraphToken, ServerToken, TokenUse};
use librechat_mcp_native::secret::Secret;
use librechat_mcp_native::server_config::ServerConfig;
use serde_json::json;
use tokio::time::Instant;

use super::host::{Parts, host, user};
use super::idp::{Idp, error, token};
use super::obo;

fn config() -> ServerConfig {
    let members = json!({ "type": "http", "url": "https://down", "obo": { "scopes": "s" } });
    ServerConfig::from_members(members.as_object().unwrap().clone()).unwrap()
}

async fn ask(host: &Host, user: &User, purpose: TokenUse<'_>) -> Result<Secret> {
    let request = ServerToken {
        host,
        user,
        server_name: "srv",
        config: &config(),
        log_prefix: "[MCP][User: user-1][srv]",
        purpose,
        rejected: None,
        deadline: Instant::now() + Duration::from_secs(15),
    };
    obo()
        .token(&request)
        .await
        .map(|token| token.expect("a token"))
}

async fn texts(host: &Host, user: &User) -> (Error, Error) {
    let connecting = ask(host, user, TokenUse::Connection).await.unwrap_err();
    let calling = ask(host, user, TokenUse::ToolCall("echo"))
        .await
        .unwrap_err();
    (connecting, calling)
}

const PREFIX: &str = "MCP error -32603: [MCP][User: user-1][srv]";

#[tokio::test]
async fn failures_in_the_words_of_the_reference() {
    for (status, text, hint) in [
        (
            400,
            "The identity provider rejected the OBO token exchange.",
            "Re-authenticate the user or verify the configured OBO scopes and retry.",
        ),
        (
            503,
            "Temporary OBO token exchange failure.",
            "Please retry.",
        ),
        (
            200,
            "The identity provider returned no access token for the OBO exchange.",
            "Re-authenticate the user and retry.",
        ),
    ] {
        let idp = Idp::start(Duration::ZERO, move |_, _| {
            error(status, "invalid_grant", 1, &json!({}))
        })
        .await;
        let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
        let (connecting, calling) = texts(&host, &user(1)).await;
        assert_eq!(
            connecting.message,
            format!("{text} Unable to connect to OBO server \"srv\". {hint}")
        );
        assert_eq!(
            calling.message,
            format!("{PREFIX} {text} Cannot execute tool echo. {hint}")
        );
        assert_eq!(
            (calling.rpc_code, connecting.rpc_code),
            (Some(-32603), None)
        );
        assert_eq!(connecting.retryable, status == 503);

        let Some(Cause::Error(resolution)) = &connecting.cause else {
            panic!("a cause")
        };
        assert_eq!(resolution.message, text);
        assert_eq!(resolution.obo.as_ref().unwrap().user_message, Some(text));
        let Some(Cause::Error(exchange)) = &resolution.cause else {
            panic!("what went wrong")
        };
        assert_eq!(exchange.status, Some(status));
    }
}

#[tokio::test]
async fn without_a_token_of_the_user_nothing_is_asked() {
    let idp = Idp::start(Duration::ZERO, |_, _| token("t", 3600)).await;
    let (host, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let with = |change: &dyn Fn(&mut User)| {
        let mut user = user(1);
        change(&mut user);
        user
    };
    let tokens = |access_token: Option<&str>, expires_at| OpenIdTokens {
        access_token: access_token.map(Secret::from),
        id_token: None,
        expires_at,
    };
    for user in [
        User::default(),
        with(&|user| user.federated_tokens = None),
        with(&|user| user.federated_tokens = Some(tokens(Some("t"), Some(1)))),
        with(&|user| user.federated_tokens = Some(tokens(None, Some(4_102_444_800)))),
        with(&|user| {
            user.fields
                .insert("provider".to_owned(), "local".to_owned());
            user.fields.insert("openidId".to_owned(), String::new());
        }),
    ] {
        let (connecting, calling) = texts(&host, &user).await;
        let text = "No valid OpenID access token is available for OBO exchange.";
        let hint = "Re-authenticate the user and retry.";
        assert_eq!(connecting.code, Code::OboMissingUpstreamToken);
        assert_eq!(
            connecting.message,
            format!("{text} Unable to connect to OBO server \"srv\". {hint}")
        );
        assert_eq!(
            calling.message,
            format!("{PREFIX} {text} Cannot execute tool echo. {hint}")
        );
        assert_eq!(
            connecting.obo.unwrap().reason,
            OboReason::MissingUpstreamToken
        );
    }
    // An OpenID user without an id there is told apart only by the cause.
    let nameless = with(&|user| drop(user.fields.insert("openidId".to_owned(), String::new())));
    let (connecting, _) = texts(&host, &nameless).await;
    assert_eq!(connecting.code, Code::OboExchangeFailed);
    assert!(
        lines
            .text()
            .contains("User must be authenticated via OpenID to perform OBO token exchange")
    );
    assert_eq!(idp.count(), 0);
}

#[tokio::test]
async fn untrusted_configs_are_refused_first() {
    let idp = Idp::start(Duration::ZERO, |_, _| token("t", 3600)).await;
    let down = Error::new(Code::HostError, "the database is down");
    for (trusted, retryable) in [(Ok(false), false), (Err(down), true)] {
        let mut parts = Parts::new(&idp.endpoint);
        parts.trusted = trusted;
        let (host, _) = host(&Arc::new(parts), None);
        let (connecting, calling) = texts(&host, &user(1)).await;
        assert_eq!(connecting.message, "OBO token exchange failed for \"srv\".");
        assert_eq!(
            calling.message,
            format!(
                "{PREFIX} OBO is not permitted for server \"srv\". The user who configured it no longer has permission to use OBO."
            )
        );
        for error in [connecting, calling] {
            assert_eq!(
                (error.code, error.retryable),
                (Code::OboNotTrusted, retryable)
            );
        }
    }
    assert_eq!(idp.count(), 0);
}

#[tokio::test]
async fn resolvers_of_the_host() {
    let resolved = |token: &str| ResolvedToken {
        access_token: Secret::from(token),
        expires_in: None,
    };
    let challenge = Error::new(Code::OboClaimsChallenge, "no").with_obo(OboFailure {
        claims: Some("{}".to_owned()),
        ..OboFailure::new(OboReason::ExchangeFailed)
    });
    let busy = Error::new(Code::HostError, "busy").with_retryable(true);
    for (answer, expected) in [
        (Ok(resolved("from-the-host")), Ok("from-the-host")),
        (
            Ok(resolved("")),
            Err((
                Code::OboExchangeFailed,
                false,
                "The identity provider returned no access token",
            )),
        ),
        (
            Ok(resolved("a\nb")),
            Err((
                Code::OboExchangeFailed,
                false,
                "The identity provider rejected",
            )),
        ),
        (
            Err(busy),
            Err((
                Code::OboExchangeFailed,
                true,
                "Temporary OBO token exchange failure.",
            )),
        ),
        (
            Err(challenge),
            Err((
                Code::OboClaimsChallenge,
                false,
                "The identity provider rejected",
            )),
        ),
    ] {
        let mut parts = Parts::new("http://127.0.0.1:1/token");
        parts.resolver = Some(answer);
        let parts = Arc::new(parts);
        let (host, _) = host(&parts, None);
        let outcome = ask(&host, &user(1), TokenUse::Connection).await;
        match expected {
            Ok(token) => assert_eq!(outcome.unwrap().expose(), token),
            Err((code, retryable, text)) => {
                let error = outcome.unwrap_err();
                assert_eq!((error.code, error.retryable), (code, retryable));
                assert!(error.message.starts_with(text), "{error}");
            }
        }
        let calls = parts.resolver_calls.lock().unwrap();
        assert_eq!(calls[0].0, TokenResolver::OnBehalfOf);
        assert_eq!((&*calls[0].2, calls[0].3), ("s", true));
    }
}

#[tokio::test]
async fn no_configuration_is_no_token() {
    let mut parts = Parts::new("");
    parts.client = None;
    let (mut host, lines) = host(&Arc::new(parts), None);
    assert!(ask(&host, &user(1), TokenUse::Connection).await.is_err());
    assert!(lines.text().contains("OpenID configuration not available"));
    host.on_behalf_of = None;
    assert!(ask(&host, &user(1), TokenUse::Connection).await.is_err());
}

#[tokio::test]
async fn graph_tokens() {
    let idp = Idp::start(Duration::ZERO, |request, _| match request.field("scope") {
        "https://graph.microsoft.com/.default" => token("graph", 3600),
        _ => error(400, "invalid_scope", 70011, &json!({})),
    })
    .await;
    let (host, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let nobody = User::default();
    let own = user(1);
    let obo = obo();
    let request = |user| GraphToken {
        host: &host,
        user,
        deadline: Instant::now() + Duration::from_secs(15),
    };
    assert_eq!(
        obo.graph_token(&request(&own)).await.unwrap().expose(),
        "graph"
    );
    assert!(obo.graph_token(&request(&nobody)).await.is_none());
    host.environment.set("GRAPH_API_SCOPES", "Mail.Read");
    assert!(obo.graph_token(&request(&own)).await.is_none());
    assert!(
        lines
            .text()
            .contains("Failed to exchange token for Graph API")
    );
}
