//! A token of this program's own, and how long it is used.

use std::sync::Arc;

use crate::clock::now_ms;
use crate::dpop::Prover;
use crate::oauth::{Tokens, YEAR, stated_lifetime};
use crate::secret::Secret;

/// A token is replaced this long before it expires, so that no request meets the end.
const EARLY: i64 = 30_000;
/// A token that is still good is not asked for anew this soon after that failed.
const PAUSE: i64 = 10_000;
/// A token that came in place of a refused one is not replaced for as long: a server that takes none would have its
/// authorization server asked with each call. No longer, since a server that has taken it may revoke it, too.
const SETTLED: i64 = 10_000;

/// Who issued a token, and what for.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub scope: Option<String>,
}

/// What is known of a token, which is not told itself.
#[derive(Debug)]
pub struct Description {
    /// Absent where the config names a token endpoint and nothing else.
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub scope: Option<String>,
    /// Seconds.
    pub expires_in: i64,
}

/// All times are in milliseconds, since the epoch where they are no spans.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub token: Secret,
    /// Of a token that is bound to a key (RFC 9449).
    pub prover: Option<Prover>,
    at: i64,
    expires_at: i64,
    /// From when on it is asked for anew.
    due_at: i64,
    /// It came because the server had refused the one before.
    is_replacement: bool,
    origin: Arc<Origin>,
}

impl Issued {
    /// Of an answer that has just come.
    pub fn new(
        tokens: &Tokens,
        prover: Option<Prover>,
        is_replacement: bool,
        origin: Origin,
    ) -> Self {
        let now = now_ms();
        // One that is over already does for who has asked for it: the next one asks again.
        let life = stated_lifetime(tokens, now).unwrap_or(YEAR).max(0);
        let life = life.saturating_mul(1000);
        Self {
            token: tokens.access_token(),
            prover,
            at: now,
            expires_at: now.saturating_add(life),
            due_at: now.saturating_add(life - EARLY.min(life / 10)),
            is_replacement,
            origin: Arc::new(origin),
        }
    }

    pub fn describe(&self) -> Description {
        let origin = &self.origin;
        Description {
            issuer: origin.issuer.clone(),
            token_endpoint: origin.token_endpoint.clone(),
            scope: origin.scope.clone(),
            expires_in: (self.expires_at - now_ms()).max(0) / 1000,
        }
    }

    pub fn is_due(&self) -> bool {
        self.due_at <= now_ms()
    }

    pub fn is_good(&self) -> bool {
        now_ms() < self.expires_at
    }

    /// Leaves whoever gives tokens alone for a while.
    pub fn postpone(&mut self) {
        let later = self.due_at.max(now_ms() + PAUSE);
        self.due_at = later.min(self.expires_at);
    }

    /// In how many seconds a token that came in place of a refused one may be replaced itself; `None`: at once.
    pub fn settles_in(&self) -> Option<i64> {
        let left = SETTLED - (now_ms() - self.at);
        (self.is_replacement && left > 0).then(|| (left + 999) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Code;

    fn issued(seconds: i64) -> Issued {
        let answer = json!({ "access_token": "t", "expires_in": seconds });
        let answer = answer.as_object().unwrap().clone();
        let tokens = Tokens::from_response(answer, Code::OAuthExchangeFailed).unwrap();
        Issued::new(&tokens, None, false, Origin::default())
    }

    #[test]
    fn it_is_due_before_it_ends() {
        for (seconds, early) in [(3600, 30_000), (100, 10_000), (10, 1000)] {
            let issued = issued(seconds);
            assert!(!issued.is_due() && issued.is_good(), "{seconds}");
            let left = issued.expires_at - issued.due_at;
            assert!((left - early).abs() <= 100, "{seconds}: {left}");
        }
    }

    #[test]
    fn one_that_is_over_is_due_at_once() {
        for seconds in [0, -1, i64::MIN] {
            let issued = issued(seconds);
            assert!(issued.is_due() && !issued.is_good(), "{seconds}");
            assert_eq!(issued.describe().expires_in, 0);
        }
        assert!(!issued(i64::MAX).is_due());
    }

    #[test]
    fn one_that_is_good_does_for_a_while_where_no_other_is_to_be_had() {
        let mut due = Issued {
            due_at: now_ms() - 1,
            ..issued(3600)
        };
        assert!(due.is_due() && due.is_good());
        due.postpone();
        assert!(!due.is_due());
        let mut ending = Issued {
            due_at: now_ms() - 1,
            expires_at: now_ms() - 1,
            ..issued(3600)
        };
        ending.postpone();
        assert!(ending.is_due() && !ending.is_good());
    }

    #[test]
    fn a_replacement_is_left_alone_for_a_while() {
        let now = now_ms();
        let replacement = |is_replacement, at| Issued {
            at,
            is_replacement,
            ..issued(3600)
        };
        let left = replacement(true, now).settles_in().unwrap();
        assert!((1..=SETTLED / 1000).contains(&left), "{left}");
        assert_eq!(replacement(true, now - SETTLED).settles_in(), None);
        assert_eq!(replacement(false, now).settles_in(), None);
    }
}
