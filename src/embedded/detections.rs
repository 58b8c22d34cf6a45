//! Which servers want OAuth.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::keyed_lock::KeyedLock;
use crate::server_config::RawConfig;

/// So long a server that wants no OAuth, or could not be asked, is not asked again.
const UNDETECTED_TTL: Duration = Duration::from_mins(1);

/// Which servers want OAuth, found out once for all calls.
#[derive(Default)]
pub struct Detections {
    /// By server name.
    pub(super) known: Mutex<HashMap<String, Detected>>,
    /// Whoever has a server's asks it; the others wait for what comes of it.
    pub(super) turns: KeyedLock<String>,
    /// What the calls share: the configs of servers, and of those that want OAuth with that in them.
    pub(super) configs: Mutex<HashMap<(String, bool), Arc<RawConfig>>>,
}

impl Detections {
    /// What is known of some servers, to go on with.
    pub(super) fn of(&self, server_names: &[&str]) -> Self {
        let mut known = self.known.lock().clone();
        known.retain(|name, _| server_names.contains(&name.as_str()));
        Self {
            known: Mutex::new(known),
            ..Self::default()
        }
    }

    /// What was found out, as long as it counts.
    pub(super) fn known(&self, server_name: &str) -> Option<bool> {
        let known = self.known.lock();
        let detected = known.get(server_name)?;
        (detected.requires_oauth || detected.at.elapsed() < UNDETECTED_TTL)
            .then_some(detected.requires_oauth)
    }
}

#[derive(Clone)]
pub(super) struct Detected {
    pub requires_oauth: bool,
    pub at: Instant,
    /// What a request was refused with, where that has told it.
    pub challenge: Option<String>,
}
