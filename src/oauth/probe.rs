//! What a server says to requests without credentials (`packages/api/src/mcp/oauth/resourceHint.ts`).

use http::{Method, StatusCode};
use url::Url;

use super::challenge::BearerChallenge;
use super::http::{Endpoints, Probe};
use crate::settings::Settings;

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
