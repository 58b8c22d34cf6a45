//! Whether a server wants OAuth, and what its challenges say (`packages/api/src/mcp/oauth/detectOAuth.ts`,
//! `resourceHint.ts`).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::challenge::BearerChallenge;
use super::http::{Endpoints, Probe};
use super::metadata::resource_metadata;
use crate::settings::Settings;

/// How it was found out, in the reference's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectionMethod {
    ProtectedResourceMetadata,
    ChallengeMetadata,
    NoMetadataFound,
}

impl DetectionMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProtectedResourceMetadata => "protected-resource-metadata",
            Self::ChallengeMetadata => "401-challenge-metadata",
            Self::NoMetadataFound => "no-metadata-found",
        }
    }
}

/// LibreChat's `OAuthDetectionResult`.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    pub requires_oauth: bool,
    pub method: DetectionMethod,
    /// The protected resource document, where there is one.
    pub metadata: Option<Value>,
}

impl Detection {
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "requiresOAuth": self.requires_oauth,
            "method": self.method.as_str(),
            "metadata": self.metadata,
        })
    }
}

/// What the server's answers to requests without credentials say.
#[derive(Debug, Clone, Default)]
pub struct Hint {
    /// The `Bearer` challenge, where there is one.
    pub challenge: Option<BearerChallenge>,
    /// HEAD was answered with 401 or 403. POST does not count: firewalls refuse bodies like ours for other reasons.
    pub head_refused: bool,
    /// HEAD got no answer at all.
    pub head_failed: bool,
}

/// Asks with HEAD, then with POST unless that gave the answer: some servers say more to POST.
pub async fn probe(endpoints: &Endpoints, server_url: &Url, settings: &Settings) -> Hint {
    let limit = settings.oauth_detection_timeout;
    let head = endpoints.probe(Method::HEAD, server_url, limit).await.ok();
    let from_head = head.as_ref().and_then(challenge);
    let hint = Hint {
        head_refused: head.as_ref().is_some_and(|probe| {
            matches!(
                probe.status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            )
        }),
        head_failed: head.is_none(),
        challenge: from_head,
    };
    let complete = |challenge: &BearerChallenge| challenge.resource_metadata.is_some();
    if hint.challenge.as_ref().is_some_and(complete) {
        return hint;
    }
    let post = endpoints.probe(Method::POST, server_url, limit).await.ok();
    Hint {
        challenge: post.as_ref().and_then(challenge).or(hint.challenge),
        ..hint
    }
}

fn challenge(probe: &Probe) -> Option<BearerChallenge> {
    (probe.status == StatusCode::UNAUTHORIZED)
        .then(|| BearerChallenge::parse(&probe.challenges))
        .flatten()
}

/// `detectOAuthRequirement`. Never fails: a server that cannot be asked needs no OAuth as far as anybody knows.
pub async fn detect(endpoints: &Endpoints, server_url: &Url, settings: &Settings) -> Detection {
    let mut hint = probe(endpoints, server_url, settings).await;
    let hinted = hint
        .challenge
        .as_ref()
        .and_then(|challenge| challenge.resource_metadata.clone())
        .filter(|url| endpoints.check(url.as_str(), "resource_metadata").is_ok());
    if let Ok(Some(document)) = resource_metadata(endpoints, server_url, hinted.as_ref()).await
        && document.authorization_server().is_some()
    {
        let method = if hinted.is_some() {
            DetectionMethod::ChallengeMetadata
        } else {
            DetectionMethod::ProtectedResourceMetadata
        };
        return Detection {
            requires_oauth: true,
            method,
            metadata: Some(Value::Object(document.0)),
        };
    }
    if hint.challenge.is_some() {
        return Detection {
            requires_oauth: true,
            method: DetectionMethod::ChallengeMetadata,
            metadata: None,
        };
    }
    if settings.oauth_on_auth_error && hint.head_failed {
        // A passing fault must not make an OAuth server look open.
        let limit = settings.oauth_detection_timeout;
        if let Ok(again) = endpoints.probe(Method::HEAD, server_url, limit).await {
            hint.head_refused = matches!(
                again.status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            );
        }
    }
    Detection {
        requires_oauth: settings.oauth_on_auth_error && hint.head_refused,
        method: DetectionMethod::NoMetadataFound,
        metadata: None,
    }
}
