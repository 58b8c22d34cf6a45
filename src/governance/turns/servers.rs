//! Servers as limits know them: a user's own server may have the name of an operator's.

use std::borrow::Cow;

/// No name and no identity has it.
const SEPARATOR: char = '\0';

/// `identity` is that of `ServerConfig::identity`.
#[must_use]
pub fn limited_as<'a>(server_name: &'a str, identity: Option<&str>) -> Cow<'a, str> {
    match identity {
        Some(identity) => Cow::Owned(format!("{server_name}{SEPARATOR}{identity}")),
        None => Cow::Borrowed(server_name),
    }
}

/// How people call such a server.
#[must_use]
pub fn name_of(server: &str) -> &str {
    server.split(SEPARATOR).next().unwrap_or_default()
}
