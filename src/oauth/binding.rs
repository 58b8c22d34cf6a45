//! What a user's grant is bound to: the MCP server, the authorization server's token endpoint, the client and where that
//! came from. `LibreChat` keeps it in the client's row (`OAuthStoredClientMetadata`).

use serde_json::{Map, Value, json};
use url::Url;

use super::client_auth::AuthMethod;
use super::documents::{ClientInfo, ResourceMetadata, text, texts};
use super::issuer::same_url;
use super::metadata::check_resource;
use super::options::OAuthOptions;
use crate::error::{Code, Error, Result};

/// Where a flow's client came from, in `LibreChat`'s words (`clientSource`, and `client_source` of the client's row).
pub const REGISTERED: &str = "dynamic";
pub const CONFIGURED: &str = "configured";

/// The metadata of a client's row: the authorization server's, and what the grant is for, as far as it is known.
#[must_use]
pub fn client_row_metadata(
    mut server: Map<String, Value>,
    resource: Option<&Map<String, Value>>,
    server_url: Option<&str>,
    client_source: Option<&str>,
) -> Map<String, Value> {
    let href = |url: &str| Url::parse(url).ok().map(String::from);
    let named = resource.and_then(|document| text(document, "resource"));
    for (name, value) in [
        ("server_url", server_url.and_then(href)),
        ("client_source", client_source.map(str::to_owned)),
        // Kept for refreshes (RFC 8707, section 2.2).
        ("resource", named.and_then(href)),
    ] {
        if let Some(value) = value {
            server.insert(name.to_owned(), json!(value));
        }
    }
    server
}

/// A client's row, as far as it says what the grant is bound to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binding<'a> {
    pub server_url: Option<&'a str>,
    pub token_endpoint: Option<&'a str>,
    pub client_source: Option<&'a str>,
    pub resource: Option<&'a str>,
    pub auth_methods: Option<&'a [&'a str]>,
}

impl<'a> Binding<'a> {
    /// Whether the grant is still for this server, and its client is still the one that the config wants.
    ///
    /// Fails with [`Code::ReauthenticationRequired`], and with [`Code::OAuthDiscoveryFailed`] where the stored resource is
    /// not that of the stored server.
    pub fn check(
        &self,
        server_name: &str,
        server_url: Option<&str>,
        client: Option<&ClientInfo>,
        options: &OAuthOptions,
    ) -> Result<()> {
        let refuse = |reason: &str| {
            Err(Error::new(
                Code::ReauthenticationRequired,
                format!(
                    "[MCPOAuth] Stored OAuth binding for {server_name} {reason}; re-authentication is required."
                ),
            ))
        };
        let (Some(current), Some(client)) = (server_url, client) else {
            return refuse("is incomplete");
        };
        let given = |text: Option<&'a str>| text.filter(|text| !text.is_empty());
        let source = self.client_source;
        let source = source.filter(|source| [CONFIGURED, REGISTERED].contains(source));
        let (Some(stored), Some(token_endpoint), Some(source)) =
            (given(self.server_url), given(self.token_endpoint), source)
        else {
            return refuse("is missing its server URL, token endpoint, or client provenance");
        };
        let stored_url = Url::parse(stored).ok();
        let stored_url = stored_url.filter(|_| same_url(stored, current));
        let Some(stored_url) = stored_url else {
            return refuse("no longer matches the current MCP server URL");
        };
        if let Some(resource) = self.resource {
            let mut document = Map::new();
            document.insert("resource".to_owned(), json!(resource));
            check_resource(&stored_url, &ResourceMetadata(document))?;
        }
        if source == REGISTERED {
            // A client is registered all the same with a server that reads no metadata documents of clients.
            return if options.client_id.is_none() || options.client_id_is_document() {
                Ok(())
            } else {
                refuse("was dynamically registered but the server now uses a configured client")
            };
        }
        if options.client_id.as_deref() != Some(client.id())
            || options.client_secret != client.secret()
        {
            return refuse("no longer matches the current configured client");
        }
        let moved = |url: &String| !same_url(token_endpoint, url);
        if options.token_url.as_ref().is_some_and(moved) {
            return refuse("no longer matches the current configured token endpoint");
        }
        if !self.authenticates_as_configured(client, options) {
            return refuse("no longer matches the current configured token authentication method");
        }
        Ok(())
    }

    fn authenticates_as_configured(&self, client: &ClientInfo, options: &OAuthOptions) -> bool {
        const DEFAULT: &[&str] = &["client_secret_basic"];
        let configured = options.token_auth_methods.as_ref();
        if client.secret().is_none()
            || (options.forced_auth_method.is_none() && configured.is_none())
        {
            return true;
        }
        let methods = self.auth_methods.unwrap_or(DEFAULT);
        let stored = AuthMethod::for_secret(None, client.auth_method(), methods);
        let configured: Option<Vec<&str>> =
            configured.map(|methods| methods.iter().map(String::as_str).collect());
        let methods = configured.as_deref().unwrap_or(DEFAULT);
        stored == AuthMethod::for_secret(options.forced_auth_method, None, methods)
    }
}

/// [`Binding::check`] of a client's row.
///
/// Fails as that does, also where there is no row.
pub fn check_client_row(
    server_name: &str,
    server_url: Option<&str>,
    client: Option<&ClientInfo>,
    metadata: Option<&Map<String, Value>>,
    options: &OAuthOptions,
) -> Result<()> {
    let none = Map::new();
    let row = metadata.unwrap_or(&none);
    let methods = texts(row, "token_endpoint_auth_methods_supported");
    let binding = Binding {
        server_url: text(row, "server_url"),
        token_endpoint: text(row, "token_endpoint"),
        client_source: text(row, "client_source"),
        resource: text(row, "resource"),
        auth_methods: methods.as_deref(),
    };
    let client = client.filter(|_| metadata.is_some());
    binding.check(server_name, server_url, client, options)
}
