//! Whose metadata a document is (RFC 8414, section 3.3; `OpenID` Connect Discovery, section 4.3). An MCP server publishes
//! what it likes: without these rules it could pass for another authorization server, or send the user to that one and
//! have the code sent to itself.

use serde_json::{Value, json};
use url::{Host, Origin, Url};

use super::documents::ServerMetadata;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::network::sanitize_url;

/// What Entra writes in the issuer of an authority for many tenants, in the place of the tenant.
const TENANT: &str = "{tenantid}";
/// Where codes, tokens and secrets go. Others, such as `userinfo_endpoint`, get nothing from us.
const SECRET_ENDPOINTS: [&str; 7] = [
    BROWSERS,
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "device_authorization_endpoint",
    "pushed_authorization_request_endpoint",
];
/// The one that users' browsers open: it gets no secret from us.
const BROWSERS: &str = "authorization_endpoint";
/// Scheme, empty, host: `{tenantid}` stands for none of them.
const BEFORE_PATH: usize = 3;

/// The issuer that was asked, as its metadata writes it, unless that is a template of many tenants' issuers.
#[must_use]
pub fn stated_issuer<'a>(server: &'a ServerMetadata, issuer: &'a str) -> &'a str {
    let stated = server.text("issuer");
    stated
        .filter(|it| same_issuer(it, issuer))
        .unwrap_or(issuer)
}

/// Some servers write their issuer with a slash at its end in one place, and without in another.
#[must_use]
pub fn same_issuer(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// Whether `issuer`, as metadata states it, is the one that is called `name` elsewhere: the same text, or a template of
/// it.
pub(super) fn is_issuer(issuer: &str, name: &str) -> bool {
    if same_issuer(issuer, name) {
        return true;
    }
    let segments = |text: &'_ str| -> Vec<String> {
        let text = text.trim_end_matches('/');
        text.split('/').map(str::to_owned).collect()
    };
    let (template, name) = (segments(issuer), segments(name));
    template.len() == name.len()
        && template
            .iter()
            .zip(&name)
            .enumerate()
            .all(|(index, (one, other))| {
                one == other || (index >= BEFORE_PATH && one == TENANT && is_tenant(other))
            })
}

/// Whether an authorization response comes from the issuer: texts are compared as they are (RFC 9207, section 2.4), but for
/// a template.
pub(super) fn is_response_issuer(issuer: &str, iss: &str) -> bool {
    issuer == iss || (issuer.contains(TENANT) && !iss.ends_with('/') && is_issuer(issuer, iss))
}

/// An id, a domain, or `common`, `organizations`, `consumers`.
fn is_tenant(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_alphanumeric())
        && segment
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

/// Refuses metadata that was asked of the issuer `asked` and states none, or another one.
///
/// Fails with [`Code::OAuthDiscoveryFailed`].
pub(super) fn check_issuer(asked: &str, metadata: &ServerMetadata) -> Result<()> {
    let issuer = issuer_of(metadata)?;
    if is_issuer(issuer, asked) {
        return Ok(());
    }
    Err(refused(&format!(
        "The metadata of the authorization server {} states another issuer, {} (RFC 8414 §3.3)",
        shown(asked),
        shown(issuer)
    )))
}

/// Metadata at the own origin of an MCP server whose resource document names no authorization server. Servers in use
/// state another issuer there than themselves, which nobody has confirmed; so all endpoints have to be at one origin, and
/// that origin is the issuer unless the stated one is there too.
///
/// Fails with [`Code::OAuthDiscoveryFailed`].
pub(super) fn bind_to_origin(metadata: &mut ServerMetadata) -> Result<()> {
    let issuer = issuer_of(metadata)?;
    let named = SECRET_ENDPOINTS
        .iter()
        .filter_map(|name| metadata.0.get(*name));
    let mut origins = named
        .filter(|value| !value.is_null() && value.as_str() != Some(""))
        .map(|value| value.as_str().and_then(origin_of));
    let origin = origins.next().flatten();
    let origin = origin.filter(|first| origins.all(|other| other.as_ref() == Some(first)));
    let Some(origin) = origin else {
        return Err(refused(&format!(
            "The MCP server names no authorization server, and the metadata at its own origin (issuer {}) has endpoints \
             at different origins. Configure `oauth.authorization_url`, `oauth.token_url` and `oauth.client_id`, or \
             publish a protected resource document (RFC 9728)",
            shown(issuer)
        )));
    };
    if origin_of(issuer).as_ref() != Some(&origin) {
        let issuer = json!(origin.ascii_serialization());
        metadata.0.insert("issuer".to_owned(), issuer);
    }
    Ok(())
}

/// Refuses metadata with an endpoint that gets secrets as nobody may send them: with a user's name in its URL, or in clear
/// where the document came over TLS. An authorization server on this machine may have it there, too.
///
/// Fails with [`Code::OAuthDiscoveryFailed`].
pub(super) fn check_endpoints(asked: &Url, metadata: &ServerMetadata) -> Result<()> {
    let is_clear = |url: &Url| {
        asked.scheme() == "https"
            && url.scheme() != "https"
            && !(is_loopback(asked) && is_loopback(url))
    };
    for name in SECRET_ENDPOINTS
        .into_iter()
        .filter(|name| *name != BROWSERS)
    {
        let url = metadata.text(name).and_then(|url| Url::parse(url).ok());
        let problem = match url {
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                "has user information"
            }
            Some(url) if is_clear(&url) => "is not https, and the authorization server is",
            _ => continue,
        };
        return Err(refused(&format!(
            "The {name} of the authorization server {} {problem}",
            sanitize_url(asked)
        )));
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn issuer_of(metadata: &ServerMetadata) -> Result<&str> {
    metadata.text("issuer").ok_or_else(|| {
        let problem = match metadata.0.get("issuer") {
            None | Some(Value::Null) => "has no issuer",
            Some(_) => "has an issuer that is no text",
        };
        refused(&format!(
            "The authorization server's metadata {problem} (RFC 8414 §2)"
        ))
    })
}

/// Scheme, host and port. `None` for what is no URL of a web server.
pub(super) fn origin_of(url: &str) -> Option<Origin> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then_some(origin)
}

/// Whether an endpoint is at the origin of an issuer.
#[must_use]
pub fn is_same_origin(issuer: &str, endpoint: &Url) -> bool {
    origin_of(issuer).is_some_and(|origin| origin == endpoint.origin())
}

/// Whether both are the same URL, however they are written.
pub(super) fn same_url(one: &str, other: &str) -> bool {
    matches!((Url::parse(one), Url::parse(other)), (Ok(one), Ok(other)) if one == other)
}

fn shown(text: &str) -> String {
    foreign_text(text, &SentSecrets::default())
}

fn refused(problem: &str) -> Error {
    Error::new(Code::OAuthDiscoveryFailed, format!("[MCPOAuth] {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: &Value) -> ServerMetadata {
        ServerMetadata(value.as_object().unwrap().clone())
    }

    #[test]
    fn issuers_are_compared_as_texts() {
        for (issuer, name, same) in [
            ("https://a.test", "https://a.test/", true),
            ("https://a.test/x", "https://a.test/x", true),
            ("https://a.test", "https://A.test", false),
            ("https://a.test", "https://a.test:443", false),
            ("https://a.test", "https://a.test.", false),
            ("https://a.test", "https://a.test@evil.test", false),
            ("https://a.test/X", "https://a.test/x", false),
            ("https://a.test", "https://a.test/x", false),
        ] {
            assert_eq!(is_issuer(issuer, name), same, "{issuer} {name}");
        }
    }

    #[test]
    fn tenants_fit_their_template() {
        let template = "https://login.test/{tenantid}/v2.0";
        for (name, fits) in [
            ("https://login.test/organizations/v2.0", true),
            (
                "https://login.test/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0/",
                true,
            ),
            ("https://login.test/contoso.example/v2.0", true),
            ("https://evil.test/organizations/v2.0", false),
            ("http://login.test/organizations/v2.0", false),
            ("https://login.test/organizations/v1.0", false),
            ("https://login.test/a/b/v2.0", false),
            ("https://login.test//v2.0", false),
            ("https://login.test/../v2.0", false),
            ("https://login.test/a?b/v2.0", false),
            ("https://login.test/v2.0", false),
        ] {
            assert_eq!(is_issuer(template, name), fits, "{name}");
            assert!(!is_issuer(name, template), "{name} is no template");
        }
        assert!(!is_issuer(
            "https://{tenantid}/v2.0",
            "https://evil.test/v2.0"
        ));
        assert!(!is_issuer(
            "https://a.test/x{tenantid}",
            "https://a.test/xy"
        ));
    }

    #[test]
    fn metadata_states_the_issuer_that_was_asked() {
        let asked = "https://as.test/one";
        for (issuer, accepted) in [
            (json!("https://as.test/one"), true),
            (json!("https://as.test/one/"), true),
            (json!("https://as.test"), false),
            (json!(""), false),
            (json!(5), false),
            (json!(["https://as.test/one"]), false),
            (json!(null), false),
        ] {
            let checked = check_issuer(asked, &metadata(&json!({ "issuer": issuer })));
            assert_eq!(checked.is_ok(), accepted, "{issuer}");
        }
        assert!(check_issuer(asked, &metadata(&json!({}))).is_err());
        let stated = metadata(&json!({ "issuer": "https://evil.test/\u{1b}[2J" }));
        let message = check_issuer(asked, &stated).unwrap_err().message;
        assert!(message.contains(asked) && message.contains("https://evil.test/"));
        assert!(!message.contains('\u{1b}'));
    }

    #[test]
    fn endpoints_get_secrets_over_tls_as_their_issuer_does() {
        for (asked, endpoint, accepted) in [
            ("https://as.test", "https://as.test/token", true),
            ("https://as.test", "https://other.test/token", true),
            ("https://as.test", "http://as.test/token", false),
            ("https://as.test", "http://127.0.0.1/token", false),
            ("https://localhost", "http://127.0.0.1:1/token", true),
            ("https://[::1]:8443", "http://localhost/token", true),
            ("https://127.0.0.1", "http://as.test/token", false),
            ("http://as.test", "http://as.test/token", true),
            ("https://as.test", "https://user@as.test/token", false),
            ("http://as.test", "http://:word@as.test/token", false),
        ] {
            let url = Url::parse(asked).unwrap();
            for name in SECRET_ENDPOINTS {
                let checked = check_endpoints(&url, &metadata(&json!({ name: endpoint })));
                let accepted = accepted || name == BROWSERS;
                assert_eq!(checked.is_ok(), accepted, "{asked} {name} {endpoint}");
                if let Err(error) = checked {
                    assert!(error.message.contains(name) && !error.message.contains("word"));
                }
            }
        }
    }

    #[test]
    fn metadata_of_nobodys_issuer_is_bound_to_one_origin() {
        let document = |issuer: Value, token: Value| {
            metadata(&json!({
                "issuer": issuer,
                "authorization_endpoint": "https://mcp.test/authorize",
                "token_endpoint": token,
                "jwks_uri": "https://elsewhere.test/keys",
            }))
        };
        let token = || json!("https://MCP.test:443/token");
        for (issuer, bound) in [
            ("https://mcp.test", "https://mcp.test"),
            ("https://mcp.test/realm", "https://mcp.test/realm"),
            ("https://honest.test", "https://mcp.test"),
            ("https://mcp.test:8443", "https://mcp.test"),
            ("https://mcp.test.", "https://mcp.test"),
            ("https://mcp.test@honest.test/", "https://mcp.test"),
            ("no url", "https://mcp.test"),
        ] {
            let mut document = document(json!(issuer), token());
            bind_to_origin(&mut document).unwrap();
            assert_eq!(document.text("issuer"), Some(bound));
        }
        for (issuer, token) in [
            (json!("https://mcp.test"), json!("https://evil.test/token")),
            (json!("https://mcp.test"), json!("http://mcp.test/token")),
            (
                json!("https://mcp.test"),
                json!("https://mcp.test:8443/token"),
            ),
            (json!("https://mcp.test"), json!("https://mcp.test./token")),
            (
                json!("https://mcp.test"),
                json!("https://mcp.test@evil.test/token"),
            ),
            (json!("https://mcp.test"), json!("/token")),
            (json!("https://mcp.test"), json!(5)),
            (json!(5), token()),
            (json!(null), token()),
        ] {
            let shown = format!("{issuer} {token}");
            assert!(
                bind_to_origin(&mut document(issuer, token)).is_err(),
                "{shown}"
            );
        }
        let mut more = document(json!("https://mcp.test"), token());
        more.0.insert(
            "revocation_endpoint".to_owned(),
            json!("https://evil.test/revoke"),
        );
        assert!(bind_to_origin(&mut more).is_err());
        assert!(bind_to_origin(&mut metadata(&json!({ "issuer": "https://mcp.test" }))).is_err());
    }
}
