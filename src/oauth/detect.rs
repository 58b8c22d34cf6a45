//! Whether a server wants OAuth (`packages/api/src/mcp/oauth/detectOAuth.ts`).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::http::Endpoints;
use super::metadata::resource_metadata;
use super::probe::probe;
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
