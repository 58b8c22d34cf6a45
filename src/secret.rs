//! A value that must never be printed.

use std::fmt;

/// Wraps a token, key or password. `Debug` and `Display` print `***`; the value is reached only through
/// [`Secret::expose`], which makes every use easy to find.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends or stores it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

/// Whether the name of a header, a variable or a parameter says that its value is a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 13] = [
        "assertion",
        "auth",
        "bearer",
        "cookie",
        "cred",
        "jwt",
        "key",
        "pass",
        "pwd",
        "secret",
        "session",
        "signature",
        "token",
    ];
    // Asked of each placeholder and header of each call, so without a copy of the name.
    let contains = |part: &&str| {
        let mut windows = name.as_bytes().windows(part.len());
        windows.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    };
    PARTS.iter().any(contains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in ["Authorization", "X-API-Key", "GITHUB_TOKEN", "db_passwd"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["Accept", "X-Tenant", "NODE_ENV", "region"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn never_printed() {
        #[derive(Debug)]
        struct Holder {
            token: Secret,
        }
        let holder = Holder {
            token: Secret::from("hunter2"),
        };
        assert_eq!(
            format!("{holder:?} {}", holder.token),
            "Holder { token: *** } ***"
        );
    }
}
