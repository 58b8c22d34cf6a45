//! Whether a server wants OAuth (`packages/api/src/mcp/oauth/detectOAuth.ts`).

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::http::Endpoints;
use super::metadata::{authorization_server, check_resource, resource_metadata};
use super::probe::probe;
use crate::settings::Settings;

/// Bound on all that a server is asked to find out.
const LONGEST: Duration = Duration::from_secs(10);
/// What an open server publishes is waited for no longer: should it want a login after all, it says so later.
const FOR_OPEN_SERVERS: Duration = Duration::from_secs(1);

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

/// `detectOAuthRequirement`, within `limit` and ten seconds. Never fails: a server that cannot be asked needs no OAuth as
/// far as anybody knows.
pub async fn detect(
    endpoints: &Endpoints,
    server_url: &Url,
    settings: &Settings,
    limit: Option<Duration>,
) -> Detection {
    let limit = limit.map_or(LONGEST, |limit| limit.min(LONGEST));
    // Boxed, because each wait around it would carry its size once more.
    let finding = Box::pin(find_out(endpoints, server_url, settings));
    let found = tokio::time::timeout(limit, finding).await;
    let found = found.ok().flatten();
    let requires_oauth = found.is_some();
    let (method, metadata) = found.unwrap_or((DetectionMethod::NoMetadataFound, None));
    Detection {
        requires_oauth,
        method,
        metadata,
    }
}

/// How, and the document; `None` for a server that wants no OAuth as far as it says.
async fn find_out(
    endpoints: &Endpoints,
    server_url: &Url,
    settings: &Settings,
) -> Option<(DetectionMethod, Option<Value>)> {
    use DetectionMethod::{ChallengeMetadata, NoMetadataFound, ProtectedResourceMetadata};

    let hint = probe(endpoints, server_url, settings).await?;
    if !hint.is_refused && endpoints.asking.has_headers() {
        // What it publishes is for those who come without the configured headers.
        return None;
    }
    let challenge = hint.challenge.as_ref();
    let hinted = challenge
        .and_then(|challenge| challenge.resource_metadata.as_ref())
        .filter(|url| endpoints.check(url.as_str(), "resource_metadata").is_ok());
    let limit = if hint.is_refused {
        LONGEST
    } else {
        FOR_OPEN_SERVERS
    };
    let looking = resource_metadata(endpoints, server_url, hinted);
    let document = tokio::time::timeout(limit, looking).await.ok();
    let document = document.and_then(Result::ok).flatten();
    let document = document.filter(|document| {
        // An open server is not taken for another one at its origin.
        document.authorization_server().is_some()
            && (hint.is_refused || check_resource(server_url, document).is_ok())
    });
    if let Some(document) = document {
        let method = hinted.map_or(ProtectedResourceMetadata, |_| ChallengeMetadata);
        return Some((method, Some(Value::Object(document.0))));
    }
    if challenge.is_some() {
        return Some((ChallengeMetadata, None));
    }
    if !hint.is_refused || !settings.oauth_on_auth_error {
        return None;
    }
    // Servers of 2025-03-26 have no challenge. A server that publishes nothing wants a key.
    let published = authorization_server(endpoints, server_url, None).await;
    published.ok()?.map(|_| (NoMetadataFound, None))
}
