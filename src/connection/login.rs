//! Whose tokens a connection sends. A session stays with the login that it was begun with: another one may be that of
//! another account.

use std::sync::Arc;

use parking_lot::Mutex;

/// Sets of credentials that are remembered of one login: who uses the oldest may be late.
pub const KNOWN_SETS: usize = 8;

/// What tells the login that tokens are of from other logins of the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// There is one, the user's own.
    User,
    /// The one that has had these sets of stored credentials, the newest last.
    Sets(Vec<String>),
    /// Nobody can tell.
    Unknown,
}

/// That of a connection. Clones share it. Nothing is kept where a user has one login.
#[derive(Debug, Clone, Default)]
pub struct LoginInUse(Option<Arc<Mutex<Login>>>);

impl LoginInUse {
    /// One of several that the user may have.
    #[must_use]
    pub fn of_several() -> Self {
        Self(Some(Arc::new(Mutex::new(Login::Unknown))))
    }

    pub(super) fn begin(&self, now: Login) {
        if let Some(login) = &self.0 {
            *login.lock() = now;
        }
    }

    /// Whether tokens of `now` may be of this login. Where they are, it has their sets from then on.
    pub(super) fn takes(&self, now: &Login) -> bool {
        let Some(login) = &self.0 else {
            return true;
        };
        match (&mut *login.lock(), now) {
            (Login::Sets(known), Login::Sets(sets)) => {
                let is_same = have_common(known, sets);
                if is_same {
                    learn(known, sets);
                }
                is_same
            }
            // One that nobody can tell may be any.
            (Login::Unknown, Login::Sets(_)) | (Login::Sets(_), Login::Unknown) => false,
            (login, now) => {
                login.clone_from(now);
                true
            }
        }
    }

    /// Its sets of credentials, none where a user has one login; `None` where nobody can tell.
    pub(super) fn sets(&self) -> Option<Vec<String>> {
        let Some(login) = &self.0 else {
            return Some(Vec::new());
        };
        match &*login.lock() {
            Login::User => Some(Vec::new()),
            Login::Sets(sets) => Some(sets.clone()),
            Login::Unknown => None,
        }
    }
}

/// Whether two lists of sets are of one login.
pub(super) fn have_common(some: &[String], others: &[String]) -> bool {
    some.iter().any(|set| others.contains(set))
}

/// Adds what is new of the same login.
pub(super) fn learn(known: &mut Vec<String>, sets: &[String]) {
    for set in sets {
        if !known.contains(set) {
            known.push(set.clone());
        }
    }
    let surplus = known.len().saturating_sub(KNOWN_SETS);
    known.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets<const N: usize>(names: [&str; N]) -> Login {
        Login::Sets(names.map(str::to_owned).to_vec())
    }

    #[test]
    fn a_connection_goes_on_with_refreshes_of_its_login_and_with_no_other() {
        let login = LoginInUse::of_several();
        login.begin(sets(["a1"]));
        assert!(login.takes(&sets(["a1", "a2", "a3"])));
        assert!(!login.takes(&sets(["b1"])));
        assert!(login.takes(&sets(["a3"])) && login.takes(&sets(["a2", "a4"])));
        assert_eq!(login.sets().unwrap(), ["a1", "a2", "a3", "a4"]);
        let later: Vec<_> = (4..14).map(|number| format!("a{number}")).collect();
        assert!(login.takes(&Login::Sets(later)));
        assert_eq!(login.sets().unwrap().len(), KNOWN_SETS);
        assert!(!login.takes(&sets(["a1"])), "forgotten by now");
    }

    #[test]
    fn rows_without_sets_are_of_no_login_that_has_some() {
        let login = LoginInUse::of_several();
        for (begun, other) in [
            (Login::Unknown, sets(["a1"])),
            (sets(["a1"]), Login::Unknown),
        ] {
            login.begin(begun.clone());
            assert!(!login.takes(&other));
            assert!(login.takes(&begun));
        }
        login.begin(Login::Unknown);
        assert_eq!(login.sets(), None);
        let only = LoginInUse::default();
        assert!(only.takes(&Login::Unknown) && only.sets() == Some(Vec::new()));
    }
}
