//! The client that a flow is for: from the config, registered earlier, or registered now (RFC 7591).

use serde_json::{Map, Value, json};
use url::Url;

use super::binding::REGISTERED;
use super::client_auth::AuthMethod;
use super::documents::{ClientInfo, ResourceMetadata, ServerMetadata, text};
use super::http::Endpoints;
use super::issuer::{same_issuer, same_url};
use super::options::OAuthOptions;
use super::scope;
use super::storage::StoredClient;
use crate::error::{Code, Error, Result};
use crate::log::Logger;

const CLIENT_NAME: &str = "LibreChat MCP Client";

/// What an authorization server is told about the client.
pub struct Registration<'a> {
    pub endpoints: &'a Endpoints,
    pub server: &'a ServerMetadata,
    pub resource: Option<&'a ResourceMetadata>,
    pub options: &'a OAuthOptions,
    pub redirect_uri: &'a str,
    /// What the flow is going to ask for.
    pub scope: Option<&'a str>,
    pub logger: &'a Logger,
}

impl Registration<'_> {
    /// The client of the config: without a secret, which needs pinned endpoints. The URL of a metadata document is only
    /// of use to a server that reads those; another one may still register clients.
    pub fn configured(&self) -> Option<ClientInfo> {
        let id = self.options.client_id.as_deref()?;
        let reads_documents = self
            .server
            .0
            .get("client_id_metadata_document_supported")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        if self.options.client_id_is_document()
            && !reads_documents
            && self.server.text("registration_endpoint").is_some()
        {
            self.logger.debug(
                "[MCPOAuth] The authorization server reads no client-ID metadata documents; registering a client",
            );
            return None;
        }
        let client = json!({
            "client_id": id,
            "redirect_uris": [self.redirect_uri],
            "scope": self.options.scope,
            "token_endpoint_auth_method": self.options.method_without_secret().as_str(),
        });
        client_of(client)
    }

    /// Whether a stored registration is still for this authorization server, this MCP server and this redirect URI. Its
    /// secret is sent to the server's token endpoint, so an issuer of the same name is not enough. A row of June 2026 has
    /// the authorization server's metadata alone; one that says any more about what it is for has to say it all.
    pub fn fits(&self, stored: &StoredClient, mcp_url: &Url) -> bool {
        let known = &stored.metadata;
        let is = |name: &str, current: Option<&str>| {
            let both = text(known, name).zip(current);
            both.is_some_and(|(one, other)| same_url(one, other))
        };
        let issuer = text(known, "issuer").zip(self.server.text("issuer"));
        let resource = self.resource.and_then(ResourceMetadata::resource);
        let is_bound = ["server_url", "client_source", "resource"]
            .iter()
            .any(|name| known.contains_key(*name));
        let problem = if stored.client.redirect_uri() != Some(self.redirect_uri) {
            "its redirect URI differs"
        } else if !issuer.is_some_and(|(known, current)| same_issuer(known, current)) {
            "its issuer differs"
        } else if !is("token_endpoint", self.server.text("token_endpoint")) {
            "its token endpoint differs"
        } else if stored.client.secret_expired() {
            "its secret has expired"
        } else if !is_bound {
            return true;
        } else if text(known, "client_source") != Some(REGISTERED) {
            "it was not registered"
        } else if stored.credential_set_id().is_none() {
            "it is of no credential set"
        } else if !is("server_url", Some(mcp_url.as_str())) {
            "it is for another MCP server"
        } else if !is("resource", resource)
            && (known.contains_key("resource") || resource.is_some())
        {
            "it is for another resource"
        } else {
            return true;
        };
        self.logger.debug(format!(
            "[MCPOAuth] Stored client registration is not reused: {problem}"
        ));
        false
    }

    /// Registers a client.
    ///
    /// Fails with [`Code::OAuthRegistrationFailed`].
    pub async fn register(&self) -> Result<ClientInfo> {
        let Some(endpoint) = self.server.text("registration_endpoint") else {
            return Err(Error::new(
                Code::OAuthRegistrationFailed,
                "Incompatible auth server: does not support dynamic client registration",
            ));
        };
        let endpoint = self.endpoints.check(endpoint, "registration_endpoint")?;
        let metadata = self.client_metadata();
        let answer = self
            .endpoints
            .post_json(&endpoint, &Value::Object(metadata.clone()))
            .await
            .map_err(|error| {
                let retryable = error.retryable;
                Error::new(
                    Code::OAuthRegistrationFailed,
                    format!("Client registration failed: {error}"),
                )
                .with_retryable(retryable)
                .caused_by(error)
            })?;
        let mut members = answer.success(Code::OAuthRegistrationFailed, "Client registration")?;
        // Only for changing the registration, which nobody does; not to be kept.
        members.shift_remove("registration_access_token");
        members.shift_remove("registration_client_uri");
        let method = metadata.get("token_endpoint_auth_method");
        if let Some(forced) = self.options.forced_auth_method {
            let name = forced.as_str();
            members.insert("token_endpoint_auth_method".to_owned(), json!(name));
        } else if let (None, Some(method)) = (members.get("token_endpoint_auth_method"), method) {
            members.insert("token_endpoint_auth_method".to_owned(), method.clone());
        }
        if !members.contains_key("redirect_uris") {
            members.insert("redirect_uris".to_owned(), json!([self.redirect_uri]));
        }
        let client = ClientInfo::new(members).ok_or_else(|| {
            Error::new(
                Code::OAuthRegistrationFailed,
                "Client registration failed: the answer has no client_id",
            )
        })?;
        self.logger.debug(format!(
            "[MCPOAuth] Client registered with ID: {}",
            client.id()
        ));
        Ok(client)
    }

    fn client_metadata(&self) -> Map<String, Value> {
        let mut grants = vec!["authorization_code"];
        if self.server.refreshes() {
            grants.push("refresh_token");
        }
        let methods = self.server.texts("token_endpoint_auth_methods_supported");
        let method =
            AuthMethod::for_registration(self.options.forced_auth_method, methods.as_deref());
        let listed = self
            .resource
            .and_then(ResourceMetadata::scopes)
            .or_else(|| Some(self.server.texts("scopes_supported")?.join(" ")));
        let scope = scope::joined(listed.as_deref(), self.scope);
        let mut metadata = Map::new();
        let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        set("client_name", json!(CLIENT_NAME));
        set("redirect_uris", json!([self.redirect_uri]));
        set("grant_types", json!(grants));
        // Whatever else the server supports: other types hand out tokens without an exchange (RFC 9700, section 2.1.2).
        set("response_types", json!(["code"]));
        set("token_endpoint_auth_method", json!(method));
        set(
            "application_type",
            json!(application_type(self.redirect_uri)),
        );
        if let Some(scope) = scope {
            set("scope", json!(scope));
        }
        metadata
    }
}

/// Servers that default to `web` refuse redirects to this machine, which only native clients may have (OpenID Connect
/// Dynamic Client Registration 1.0, section 2; MCP 2026-07-28, chapter "Authorization").
fn application_type(redirect_uri: &str) -> &'static str {
    let is_local = Url::parse(redirect_uri).is_ok_and(|url| {
        url.scheme() == "http"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    });
    if is_local { "native" } else { "web" }
}

/// A client made here, without members that are null.
pub fn client_of(value: Value) -> Option<ClientInfo> {
    let Value::Object(mut members) = value else {
        return None;
    };
    members.retain(|_, value| !value.is_null());
    ClientInfo::new(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_for_one_server() {
        const REDIRECT: &str = "http://localhost:3080/callback";
        let object = |value: Value| value.as_object().unwrap().clone();
        let rules = crate::network::NetworkRules::default();
        let endpoints = Endpoints::new(
            crate::network::HttpClient::new(),
            &rules,
            &crate::environment::Environment::default(),
            None,
            &indexmap::IndexMap::new(),
        )
        .unwrap();
        let server = ServerMetadata(object(json!({
            "issuer": "https://as.test",
            "token_endpoint": "https://as.test/token",
        })));
        let resource = ResourceMetadata(object(json!({ "resource": "https://mcp.test" })));
        let registration = Registration {
            endpoints: &endpoints,
            server: &server,
            resource: Some(&resource),
            options: &OAuthOptions::default(),
            redirect_uri: REDIRECT,
            scope: None,
            logger: &Logger::silent(),
        };
        let june =
            json!({ "issuer": "https://as.test/", "token_endpoint": "https://as.test/token" });
        let full = json!({
            "server_url": "https://mcp.test/mcp",
            "client_source": "dynamic",
            "credential_set_id": "1",
            "resource": "https://mcp.test/",
        });
        let but = |name: &str, value: Value| {
            let mut changed = object(full.clone());
            changed.insert(name.to_owned(), value);
            Value::Object(changed)
        };
        for (changes, fits) in [
            (json!({}), true),
            (json!({ "issuer": null }), false),
            (json!({ "issuer": "https://evil.test" }), false),
            (json!({ "token_endpoint": null }), false),
            (
                json!({ "token_endpoint": "https://evil.test/token" }),
                false,
            ),
            (
                json!({ "token_endpoint": "https://as.test:443/token" }),
                true,
            ),
            (full.clone(), true),
            (but("issuer", json!("https://evil.test")), false),
            (
                but("token_endpoint", json!("https://evil.test/token")),
                false,
            ),
            (but("server_url", json!("https://MCP.test:443/mcp")), true),
            (but("server_url", json!("https://mcp.test/other")), false),
            (but("server_url", json!(null)), false),
            (but("client_source", json!("configured")), false),
            (but("client_source", json!("")), false),
            (but("credential_set_id", json!("")), false),
            (but("credential_set_id", json!(1)), false),
            (but("resource", json!("https://mcp.test")), true),
            (but("resource", json!("https://other.test/")), false),
            (but("resource", json!(null)), false),
            // Ids are written for every host.
            (json!({ "credential_set_id": "1" }), true),
            // Any of the others alone is more than June had.
            (json!({ "server_url": "https://mcp.test/mcp" }), false),
            (json!({ "client_source": "dynamic" }), false),
            (json!({ "resource": "https://mcp.test/" }), false),
        ] {
            let mut metadata = object(june.clone());
            metadata.extend(object(changes.clone()));
            let client = json!({ "client_id": "c", "redirect_uris": [REDIRECT] });
            let stored = StoredClient {
                client: client_of(client).unwrap(),
                metadata,
            };
            let mcp_url = Url::parse("https://mcp.test/mcp").unwrap();
            assert_eq!(registration.fits(&stored, &mcp_url), fits, "{changes}");
        }
    }

    #[test]
    fn application_types() {
        for (redirect_uri, expected) in [
            ("http://localhost:3080/api/mcp/a/oauth/callback", "native"),
            ("http://127.0.0.1/callback", "native"),
            ("http://[::1]:3080/callback", "native"),
            ("https://localhost/callback", "web"),
            ("https://chat.test/api/mcp/a/oauth/callback", "web"),
        ] {
            assert_eq!(application_type(redirect_uri), expected, "{redirect_uri}");
        }
    }
}
