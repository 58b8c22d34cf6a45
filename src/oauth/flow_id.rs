//! How `LibreChat` calls a user's flow for a server; there is one at a time.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const TENANT: &str = "tenant";
/// What `encodeURIComponent` leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Whose flow it is.
#[derive(Debug, PartialEq, Eq)]
pub struct FlowOwner {
    pub user_id: String,
    pub server_name: String,
    pub tenant_id: Option<String>,
}

/// `user:server`; in a tenant `tenant:<tenant>:user:server`.
#[must_use]
pub fn flow_id(user_id: &str, server_name: &str, tenant_id: Option<&str>) -> String {
    match tenant_id.filter(|tenant| !tenant.is_empty()) {
        Some(tenant) => {
            let tenant = utf8_percent_encode(tenant, ENCODED);
            format!("{TENANT}:{tenant}:{user_id}:{server_name}")
        }
        None => format!("{user_id}:{server_name}"),
    }
}

/// `None` for what [`flow_id`] makes of nobody.
#[must_use]
pub fn parse_flow_id(flow_id: &str) -> Option<FlowOwner> {
    let (first, rest) = flow_id.split_once(':')?;
    let (tenant_id, owner) = if first == TENANT {
        let (tenant, owner) = rest.split_once(':')?;
        (Some(decoded(tenant)?), owner)
    } else {
        (None, flow_id)
    };
    let (user_id, server_name) = owner.split_once(':')?;
    let is_whole = !user_id.is_empty() && !server_name.is_empty();
    is_whole.then(|| FlowOwner {
        user_id: user_id.to_owned(),
        server_name: server_name.to_owned(),
        tenant_id,
    })
}

/// As `decodeURIComponent`, which takes no broken escape.
fn decoded(tenant: &str) -> Option<String> {
    let mut escapes = tenant.split('%').skip(1);
    let is_escaped = escapes.all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if tenant.is_empty() || !is_escaped {
        return None;
    }
    let text = percent_decode_str(tenant).decode_utf8().ok()?;
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_their_owner() {
        for (user, server, tenant, id) in [
            ("u", "s", None, "u:s"),
            ("u", "s", Some(""), "u:s"),
            ("u", "a:b", None, "u:a:b"),
            ("u", "s", Some("t"), "tenant:t:u:s"),
            (
                "u",
                "a:b",
                Some("t:x/ä %"),
                "tenant:t%3Ax%2F%C3%A4%20%25:u:a:b",
            ),
            ("u", "s", Some("-_.!~*'()"), "tenant:-_.!~*'():u:s"),
        ] {
            assert_eq!(flow_id(user, server, tenant), id);
            let owner = parse_flow_id(id).unwrap();
            assert_eq!(owner.user_id, user);
            assert_eq!(owner.server_name, server);
            assert_eq!(
                owner.tenant_id.as_deref(),
                tenant.filter(|it| !it.is_empty())
            );
        }
    }

    #[test]
    fn ids_of_nobody() {
        for id in [
            "",
            ":",
            "u",
            "u:",
            ":s",
            "tenant:",
            "tenant:t",
            "tenant:t:u",
            "tenant:t:u:",
            "tenant:t::s",
            "tenant::u:s",
            "tenant:%:u:s",
            "tenant:%2:u:s",
            "tenant:%zz:u:s",
            "tenant:%ff:u:s",
            "tenant:%+1:u:s",
        ] {
            assert_eq!(parse_flow_id(id), None, "{id}");
        }
    }
}
