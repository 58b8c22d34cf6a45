//! What a shared session is kept under.

use serde_json::json;

use crate::digest::Parts;
use crate::error::Result;
use crate::hex;
use crate::seal::derive;
use crate::secret::Secret;

const NAMESPACE: &str = "librechat-mcp-native sessions v1";
const STREAMS: &str = "librechat-mcp-native streams of sessions v1";
const PURPOSE: &str = "librechat-mcp-native names of sessions v1";

/// Everything that tells one session from another.
pub(super) struct Subject<'a> {
    /// Absent: all users share it.
    pub user_id: Option<&'a str>,
    pub server_name: &'a str,
    pub endpoint: &'a str,
    pub fingerprint: &'a str,
    /// What the client has told the server it can do.
    pub client: &'a str,
}

/// The keys of one session: JSON arrays of texts.
pub(super) struct Keys {
    pub session: String,
    user: String,
    server_name: String,
    /// Of who makes it.
    pub turn: String,
    /// Of the epoch, for sessions of users.
    pub epoch: Option<String>,
}

/// Whoever ends a user's sessions knows neither the config nor the variables that they were begun with.
pub(super) fn epoch(user_id: &str, server_name: &str) -> String {
    json!(["session-epoch", user_id, server_name]).to_string()
}

impl Keys {
    /// The credentials key is a part of the digest: the fingerprint covers secrets of the user, and whoever reads the names
    /// in the store is not to find out by trying.
    pub fn new(subject: &Subject<'_>, credentials_key: &Secret) -> Result<Self> {
        let mut parts = Parts::of(NAMESPACE);
        parts.add(derive(credentials_key, PURPOSE)?);
        parts.add(if subject.user_id.is_some() {
            "user"
        } else {
            "app"
        });
        let user = subject.user_id.unwrap_or_default();
        for part in [
            user,
            subject.server_name,
            subject.endpoint,
            subject.fingerprint,
            subject.client,
        ] {
            parts.add(part);
        }
        let digest = hex::encode(&parts.digest());
        let key = |kind| json!([kind, user, subject.server_name, digest]).to_string();
        Ok(Self {
            session: key("session"),
            turn: key("session-turn"),
            epoch: subject.user_id.map(|user| epoch(user, subject.server_name)),
            user: user.to_owned(),
            server_name: subject.server_name.to_owned(),
        })
    }

    /// Of who listens to the GET stream of one that was `born` so.
    pub fn stream(&self, born: &str) -> String {
        let mut parts = Parts::of(STREAMS);
        parts.add(&self.session);
        parts.add(born);
        let digest = hex::encode(&parts.digest());
        json!(["session-stream", self.user, self.server_name, digest]).to_string()
    }
}
