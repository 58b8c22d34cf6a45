//! What a server says to requests without a user's token (`packages/api/src/mcp/oauth/resourceHint.ts`).

use http::StatusCode;
use url::Url;

use super::challenge::BearerChallenge;
use super::http::Endpoints;
use crate::settings::Settings;

/// What the server's answer says.
#[derive(Debug, Clone, Default)]
pub struct Hint {
    /// The `Bearer` challenge of a 401, where there is one.
    pub challenge: Option<BearerChallenge>,
    /// 401 or 403.
    pub is_refused: bool,
}

/// Asks once. `None` where nothing was answered.
pub async fn probe(endpoints: &Endpoints, server_url: &Url, settings: &Settings) -> Option<Hint> {
    let limit = settings.oauth_detection_timeout;
    let mut hint = None;
    for method in endpoints.asking.methods() {
        let asked = endpoints.probe(method.clone(), server_url, limit).await;
        let Ok(probe) = asked else { break };
        let is_unauthorized = probe.status == StatusCode::UNAUTHORIZED;
        hint = Some(Hint {
            challenge: is_unauthorized
                .then(|| BearerChallenge::parse(&probe.challenges))
                .flatten(),
            is_refused: is_unauthorized || probe.status == StatusCode::FORBIDDEN,
        });
        let has_no_such = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        if !has_no_such.contains(&probe.status) {
            break;
        }
    }
    hint
}
