//! Making an authorization request (RFC 6749, section 4.1.1) with what its callback will need: `LibreChat`'s
//! `MCPOAuthFlowMetadata`.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use url::Url;

use super::binding::{CONFIGURED, REGISTERED};
use super::challenge::BearerChallenge;
use super::client_assertion::KeyedClient;
use super::client_auth::AuthMethod;
use super::documents::{ClientInfo, ResourceMetadata, ServerMetadata};
use super::dpop::{FlowKey, THUMBPRINT, wants_dpop};
use super::http::Endpoints;
use super::metadata::{check_capabilities, discover, resource_indicator};
use super::options::OAuthOptions;
use super::par::Push;
use super::pending::{PUSHED_REQUEST, ReusedClient};
use super::registration::{Registration, client_of};
use super::storage::Storage;
use super::{pkce, scope};
use crate::error::{Code, Error, Result};
use crate::host::ClientAssertions;
use crate::log::Logger;
use crate::network::NetworkRules;
use crate::secret::Secret;
use crate::settings::Settings;

/// Member of a flow whose endpoints are the config's. Its metadata has the MCP server's URL in the issuer's place, as in
/// `LibreChat`, since nobody states an issuer there.
pub(super) const CONFIGURED_ENDPOINTS: &str = "configuredEndpoints";

/// Member of a flow, in `LibreChat`'s words: the token request is to be like the authorization request.
pub(super) const SEND_RESOURCE: &str = "sendResourceParameter";

/// Parameters that name a request which is not ours (RFC 9101, section 5): no endpoint has them in its own query.
const ELSEWHERE: [&str; 2] = ["request", "request_uri"];

/// One user's wish to authorize with one server.
pub struct Initiation<'a> {
    pub endpoints: &'a Endpoints,
    pub server_name: &'a str,
    pub user_id: &'a str,
    pub server_url: &'a Url,
    pub oauth_headers: &'a IndexMap<String, String>,
    pub options: &'a OAuthOptions,
    /// Kept in the flow, for the callback to be judged by the same rules.
    pub rules: &'a NetworkRules,
    pub settings: &'a Settings,
    pub logger: &'a Logger,
    /// Where an earlier registration may be; `None` registers anew.
    pub storage: Option<&'a Storage>,
    /// Scopes that the server said were missing, on top of the usual ones.
    pub missing_scope: Option<&'a str>,
    /// What it said when it refused a request, where it did: then it is not asked once more.
    pub challenge: Option<&'a BearerChallenge>,
    /// Whether it said that it takes no tokens but those of a `DPoP` key.
    pub wants_dpop: bool,
    pub tenant_id: Option<&'a str>,
    /// Makes the assertions of a client whose key the host keeps.
    pub assertions: Option<&'a dyn ClientAssertions>,
    /// `state` and verifier of a flow that goes on with another request.
    pub renews: Option<(Secret, Secret)>,
}

/// A flow that is ready to be stored.
pub struct Initiated {
    pub authorization_url: Url,
    pub state: Secret,
    pub metadata: Map<String, Value>,
}

impl fmt::Debug for Initiated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Initiated").finish_non_exhaustive()
    }
}

/// `${DOMAIN_SERVER}/api/mcp/{serverName}/oauth/callback`; without a name for flows that lost theirs.
#[must_use]
pub fn redirect_uri(settings: &Settings, server_name: Option<&str>) -> String {
    let base = &settings.domain_server;
    server_name.map_or_else(
        || format!("{base}/api/mcp/oauth/callback"),
        |name| format!("{base}/api/mcp/{name}/oauth/callback"),
    )
}

struct Prepared {
    server: ServerMetadata,
    resource: Option<ResourceMetadata>,
    client: ClientInfo,
    client_source: &'static str,
    reused_client: Option<ReusedClient>,
    scope: Option<String>,
    /// Code challenge methods to check, where they count.
    challenge_methods: Option<Vec<String>>,
    wants_dpop: bool,
}

impl Initiation<'_> {
    /// Fails with [`Code::OAuthDiscoveryFailed`], [`Code::OAuthRegistrationFailed`] or [`Code::InvalidConfig`].
    pub async fn initiate(&self) -> Result<Initiated> {
        self.options.check_secret()?;
        let keyed = KeyedClient {
            options: self.options,
            server_name: self.server_name,
            assertions: self.assertions,
        };
        keyed.check().await?;
        let redirect_uri = redirect_uri(self.settings, Some(self.server_name));
        let prepared = match self.options.pinned() {
            Some(pinned) => self.pinned(pinned, &redirect_uri)?,
            None => self.discovered(&redirect_uri).await?,
        };
        check_capabilities(&prepared.server, prepared.challenge_methods.as_deref())?;
        let key = if prepared.wants_dpop {
            Some(Storage::key_of_flow(self.storage).await?)
        } else {
            None
        };
        let renewed = self.renews.clone();
        let (state, verifier) =
            renewed.unwrap_or_else(|| (pkce::random_text(), pkce::random_text()));
        let (endpoint, mut authorization_url) =
            self.authorization_url(&prepared, &redirect_uri, &state, &verifier, key.as_ref())?;
        let mut metadata = self.flow_metadata(&prepared, &state, &verifier)?;
        if let Some(key) = &key {
            key.add_to_flow(&mut metadata);
        }
        let push = Push {
            endpoints: self.endpoints,
            server: &prepared.server,
            client: &prepared.client,
            keyed,
            reused: self.storage.zip(prepared.reused_client.as_ref()),
        };
        if push.is_required() {
            let pushed = push.push(endpoint, &authorization_url).await?;
            authorization_url = pushed.authorization_url;
            metadata.insert(PUSHED_REQUEST.to_owned(), pushed.member);
        }
        Ok(Initiated {
            authorization_url,
            state,
            metadata,
        })
    }

    /// Client and endpoints from the config: nothing is asked of anybody.
    fn pinned(
        &self,
        (client_id, authorization_url, token_url): (&str, &str, &str),
        redirect_uri: &str,
    ) -> Result<Prepared> {
        let options = self.options;
        self.endpoints
            .check(authorization_url, "authorization_url")?;
        self.endpoints.check(token_url, "token_url")?;
        let method = match &options.client_secret {
            None => options.method_without_secret(),
            Some(_) => options.forced_auth_method.unwrap_or(AuthMethod::Basic),
        };
        let default_methods = match method {
            AuthMethod::None | AuthMethod::PrivateKeyJwt => vec![method.as_str()],
            AuthMethod::Post => vec!["client_secret_post", "client_secret_basic"],
            AuthMethod::Basic => vec!["client_secret_basic", "client_secret_post"],
        };
        let listed = |list: &Option<Vec<String>>, default: Value| {
            list.as_ref().map_or(default, |list| json!(list))
        };
        let scopes: Vec<_> = options.scope.iter().flat_map(|it| it.split(' ')).collect();
        let members = json!({
            "authorization_endpoint": authorization_url,
            "token_endpoint": token_url,
            "issuer": self.server_url.as_str(),
            "scopes_supported": scopes,
            "grant_types_supported":
                listed(&options.grant_types_supported, json!(["authorization_code", "refresh_token"])),
            "token_endpoint_auth_methods_supported":
                listed(&options.token_auth_methods, json!(default_methods)),
            "response_types_supported": listed(&options.response_types_supported, json!(["code"])),
            "code_challenge_methods_supported":
                listed(&options.code_challenge_methods, json!(["S256", "plain"])),
            // For whoever revokes the tokens.
            "revocation_endpoint": options.revocation_endpoint,
            "revocation_endpoint_auth_methods_supported": options.revocation_auth_methods,
        });
        let secret = options.client_secret.as_ref().map(Secret::expose);
        let client = client_of(json!({
            "client_id": client_id,
            "client_secret": secret,
            "redirect_uris": [redirect_uri],
            "scope": options.scope,
            "token_endpoint_auth_method": method.as_str(),
        }));
        match (members, client) {
            (Value::Object(mut members), Some(client)) => {
                members.retain(|_, value| !value.is_null());
                Ok(Prepared {
                    server: ServerMetadata(members),
                    resource: options.own_resource(self.server_url),
                    client,
                    client_source: CONFIGURED,
                    reused_client: None,
                    scope: scope::joined(options.scope.as_deref(), self.missing_scope),
                    challenge_methods: options.code_challenge_methods.clone(),
                    // Nobody is asked what the server requires.
                    wants_dpop: options.dpop.unwrap_or(self.wants_dpop),
                })
            }
            _ => Err(Error::invalid_config(
                "Invalid MCP server config: `oauth.client_id` is empty",
            )),
        }
    }

    async fn discovered(&self, redirect_uri: &str) -> Result<Prepared> {
        let (options, logger) = (self.options, self.logger);
        let (url, known) = (self.server_url, self.challenge);
        let discovery = discover(self.endpoints, url, known, self.settings, logger).await?;
        options.check_announced(&discovery.server)?;
        let challenged = discovery.challenge.as_ref();
        let resource = discovery.resource.as_ref();
        let wants_dpop = wants_dpop(options.dpop, resource, challenged, &discovery.server)?;
        let usual = scope::select(
            options.scope.as_deref(),
            challenged.and_then(|challenge| challenge.scope.as_deref()),
            discovery.resource.as_ref(),
            &discovery.server,
        );
        let scope = scope::joined(usual.as_deref(), self.missing_scope);
        let lasting = scope::lasting(scope.as_deref(), options, &discovery.server);
        let registration = Registration {
            endpoints: self.endpoints,
            server: &discovery.server,
            resource: discovery.resource.as_ref(),
            options,
            redirect_uri,
            scope: lasting.as_deref(),
            logger,
        };
        let configured = registration.configured();
        let stored = match self.storage {
            Some(storage) if configured.is_none() => storage.client_or_warn().await,
            _ => None,
        };
        let stored = stored.filter(|stored| registration.fits(stored, self.server_url));
        let is_configured = configured.is_some();
        let reused_client = stored.as_ref().map(|stored| ReusedClient {
            credential_set_id: stored.credential_set_id().map(str::to_owned),
        });
        let client = match (configured, stored) {
            (Some(client), _) => client,
            (None, Some(stored)) => stored.client,
            (None, None) => registration.register().await?,
        };
        let announced = discovery.server.list("code_challenge_methods_supported");
        let skip = options.skip_code_challenge_check || self.settings.skip_code_challenge_check;
        // Of other clients nobody knows whether they may have it.
        let may_last = !is_configured && {
            let registered = client.scope();
            registered.is_none_or(|scopes| scope::covers(scopes, scope::OFFLINE_ACCESS))
        };
        Ok(Prepared {
            scope: if may_last { lasting } else { scope },
            challenge_methods: match &options.code_challenge_methods {
                Some(configured) => Some(configured.clone()),
                None => announced.filter(|_| !skip),
            },
            server: discovery.server,
            resource: discovery.resource,
            client,
            client_source: if is_configured {
                CONFIGURED
            } else {
                REGISTERED
            },
            reused_client,
            wants_dpop,
        })
    }

    /// The endpoint, with what of its own query stays, and the request there.
    fn authorization_url(
        &self,
        prepared: &Prepared,
        redirect_uri: &str,
        state: &Secret,
        verifier: &Secret,
        key: Option<&FlowKey>,
    ) -> Result<(Url, Url)> {
        let endpoint = prepared.server.endpoint("authorization_endpoint")?;
        // The user's browser opens it, so it is not judged by our network rules, but it must be a web page.
        let url = Url::parse(endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut url = url.ok_or_else(|| {
            Error::new(
                Code::OAuthDiscoveryFailed,
                "Invalid OAuth authorization_endpoint",
            )
        })?;
        let challenge = pkce::challenge(verifier);
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", prepared.client.id()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("redirect_uri", redirect_uri),
            ("state", state.expose()),
        ];
        if let Some(scope) = &prepared.scope {
            parameters.push(("scope", scope));
            // OpenID Connect Core, section 11. Whoever wrote the endpoint may have decided what the user is asked.
            let has_own = url.query_pairs().any(|(name, _)| name == "prompt");
            if !has_own && scope::covers(scope, scope::OFFLINE_ACCESS) {
                parameters.push(("prompt", "consent"));
            }
        }
        let resource = resource_indicator(self.server_url, prepared.resource.as_ref())?;
        let resource = resource.filter(|_| self.options.sends_resource());
        if let Some(resource) = &resource {
            parameters.push(("resource", resource));
        }
        if let Some(audience) = &self.options.audience {
            parameters.push(("audience", audience));
        }
        if let Some(key) = key {
            // Nobody else can exchange the code (RFC 9449, section 10).
            parameters.push((THUMBPRINT, key.prover.thumbprint()));
        }
        let is_ours = |name: &str| parameters.iter().any(|(ours, _)| *ours == name);
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !ELSEWHERE.contains(&&**name) && !is_ours(name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
        let mut request = url.clone();
        request.query_pairs_mut().extend_pairs(parameters);
        Ok((url, request))
    }

    fn flow_metadata(
        &self,
        prepared: &Prepared,
        state: &Secret,
        verifier: &Secret,
    ) -> Result<Map<String, Value>> {
        // LibreChat's "none configured" is null.
        let list = |list: &[String]| json!((!list.is_empty()).then_some(list));
        let token_endpoint = prepared.server.endpoint("token_endpoint")?;
        let token_endpoint = self.endpoints.check(token_endpoint, "token_endpoint")?;
        let mut metadata = Map::new();
        let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        set("serverName", json!(self.server_name));
        set("userId", json!(self.user_id));
        set("serverUrl", json!(self.server_url.as_str()));
        set("state", json!(state.expose()));
        set("codeVerifier", json!(verifier.expose()));
        set("clientInfo", Value::Object(prepared.client.0.clone()));
        set("clientSource", json!(prepared.client_source));
        set("metadata", Value::Object(prepared.server.0.clone()));
        if let Some(resource) = &prepared.resource {
            set("resourceMetadata", Value::Object(resource.0.clone()));
        }
        set("allowedDomains", list(&self.rules.allowed_domains));
        set("allowedAddresses", list(&self.rules.allowed_addresses));
        if !self.oauth_headers.is_empty() {
            // Without any, a callback would take those of the config.
            let headers = if self.endpoints.takes_headers(&token_endpoint) {
                json!(self.oauth_headers)
            } else {
                json!({})
            };
            set("oauthHeaders", headers);
        }
        if let Some(reused) = &prepared.reused_client {
            set("reusedStoredClient", json!(true));
            if let Some(id) = &reused.credential_set_id {
                set("reusedClientCredentialSetId", json!(id));
            }
        }
        if let Some(tenant_id) = self.tenant_id {
            set("tenantId", json!(tenant_id));
        }
        if !self.options.sends_resource() {
            set(SEND_RESOURCE, json!(false));
        }
        if self.options.pinned().is_some() {
            set(CONFIGURED_ENDPOINTS, json!(true));
        }
        Ok(metadata)
    }
}
