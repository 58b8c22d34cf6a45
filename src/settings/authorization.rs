//! How long users have to authorize.

use std::time::Duration;

use super::Settings;
use crate::abilities::Abilities;

/// How long a user has to authorize: what `LibreChat` gives today, and what it gave in June 2026.
const HANDLING: Duration = Duration::from_mins(10);
const EARLIER_HANDLING: Duration = Duration::from_mins(2);
/// A flow outlives the time that its user has.
const FLOW_GRACE: Duration = Duration::from_mins(1);

impl Settings {
    /// How long a user has to authorize: so long a pending flow is joined, and a call waits for it.
    #[must_use]
    pub fn authorization_time(&self, abilities: Abilities) -> Duration {
        self.oauth_handling_timeout
            .unwrap_or(if abilities.gives_ten_minutes() {
                HANDLING
            } else {
                EARLIER_HANDLING
            })
    }

    /// How long flows are kept that this library keeps itself.
    #[must_use]
    pub fn flow_ttl(&self) -> Duration {
        let longest = self.oauth_handling_timeout.unwrap_or(HANDLING);
        self.oauth_flow_ttl.max(longest + FLOW_GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn a_flow_outlives_its_user_s_time() {
        let minutes = Duration::from_mins;
        let current = Abilities {
            catalog_generations: true,
            ..Abilities::default()
        };
        let embedded = Abilities {
            is_embedded: true,
            ..Abilities::default()
        };
        for (handling, ttl, june, today, kept) in [
            ("", "", 2, 10, 15),
            ("5 * 60 * 1000", "", 5, 5, 15),
            ("20*60*1000", "", 20, 20, 21),
            ("", "1000", 2, 10, 11),
            ("", "30*60*1000", 2, 10, 30),
            ("soon", "-1", 2, 10, 15),
        ] {
            let settings = Settings::from_environment(&Environment::from([
                ("MCP_OAUTH_HANDLING_TIMEOUT", handling),
                ("MCP_OAUTH_FLOW_TTL", ttl),
            ]));
            let earlier = settings.authorization_time(Abilities::default());
            assert_eq!(earlier, minutes(june), "{handling}");
            for abilities in [current, embedded] {
                let now = settings.authorization_time(abilities);
                assert_eq!(now, minutes(today), "{handling}");
            }
            assert_eq!(settings.flow_ttl(), minutes(kept), "{handling} {ttl}");
        }
    }
}
