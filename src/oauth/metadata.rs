//! Finding the authorization server of an MCP server: protected resource metadata (RFC 9728), authorization server
//! metadata (RFC 8414, `OpenID` Connect Discovery), else the endpoints that servers before them used.

use http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use super::challenge::BearerChallenge;
use super::documents::{ResourceMetadata, ServerMetadata, texts};
use super::dpop::THUMBPRINT;
use super::http::{Endpoints, Party};
use super::issuer::{bind_to_origin, check_endpoints, check_issuer};
use super::probe::probe;
use crate::error::{Code, Error, Result};
use crate::log::Logger;
use crate::network::sanitize_url;
use crate::settings::Settings;

const RESOURCE: &str = "oauth-protected-resource";
const SERVER: &str = "oauth-authorization-server";
const OPENID: &str = "openid-configuration";

/// What `LibreChat` stores beside the metadata of a grant's authorization server. A server that publishes members of
/// these names does not get to say them.
const OF_THE_GRANT: [&str; 5] = [
    "server_url",
    "client_source",
    "resource",
    "credential_set_id",
    THUMBPRINT,
];

/// What is known about a server's authorization.
#[derive(Debug)]
pub struct Discovery {
    pub server: ServerMetadata,
    pub resource: Option<ResourceMetadata>,
    /// The `Bearer` challenge of the MCP server.
    pub challenge: Option<BearerChallenge>,
}

/// The challenge of an MCP server, which is asked for it, and the document that says who its authorization server is.
pub async fn protected_resource(
    endpoints: &Endpoints,
    mcp_url: &Url,
    settings: &Settings,
    logger: &Logger,
) -> (Option<BearerChallenge>, Result<Option<ResourceMetadata>>) {
    let hint = probe(endpoints, mcp_url, settings).await;
    let challenge = hint.and_then(|hint| hint.challenge);
    let resource = challenged_resource(endpoints, mcp_url, challenge.as_ref(), logger).await;
    (challenge, resource)
}

/// The document at the place that the challenge names (RFC 9728, section 5.1), or at a well-known one.
async fn challenged_resource(
    endpoints: &Endpoints,
    mcp_url: &Url,
    challenge: Option<&BearerChallenge>,
    logger: &Logger,
) -> Result<Option<ResourceMetadata>> {
    let hint = challenge.and_then(|challenge| challenge.resource_metadata.as_ref());
    let hint = hint.filter(|url| {
        let allowed = endpoints.check(url.as_str(), "resource_metadata").is_ok();
        if !allowed {
            logger.warn(format!(
                "[MCPOAuth] Rejecting untrusted resource_metadata hint from {}; falling back to path-aware discovery",
                sanitize_url(mcp_url)
            ));
        }
        allowed
    });
    resource_metadata(endpoints, mcp_url, hint).await
}

/// Discovers everything anew. `known` is a challenge that the server has given already.
///
/// Fails with [`Code::OAuthDiscoveryFailed`] when a document is not bound to the server, or names endpoints that must
/// not be contacted.
pub async fn discover(
    endpoints: &Endpoints,
    mcp_url: &Url,
    known: Option<&BearerChallenge>,
    settings: &Settings,
    logger: &Logger,
) -> Result<Discovery> {
    let (challenge, resource) = match known {
        Some(_) => (
            known.cloned(),
            challenged_resource(endpoints, mcp_url, known, logger).await,
        ),
        None => protected_resource(endpoints, mcp_url, settings, logger).await,
    };
    let resource = match resource {
        Ok(resource) => resource,
        Err(error) => {
            logger.debug(format!(
                "[MCPOAuth] Resource metadata discovery failed, continuing with server URL: {error}"
            ));
            None
        }
    };
    if let Some(resource) = &resource {
        check_resource(mcp_url, resource)?;
    }
    let server =
        if let Some(server) = authorization_server(endpoints, mcp_url, resource.as_ref()).await? {
            server
        } else {
            let named = resource
                .as_ref()
                .and_then(ResourceMetadata::authorization_server);
            let server_url = match named {
                Some(named) => endpoints.check(named, "authorization_server")?,
                None => mcp_url.clone(),
            };
            logger.warn(format!(
                "[MCPOAuth] No OAuth metadata discovered from {}, using legacy fallback endpoints",
                sanitize_url(&server_url)
            ));
            legacy(&server_url)?
        };
    server.endpoint("authorization_endpoint")?;
    Ok(Discovery {
        server,
        resource,
        challenge,
    })
}

/// The metadata of the authorization server that the resource document names, else what the MCP server's own origin
/// publishes. `None` where there is none.
///
/// Fails with [`Code::OAuthDiscoveryFailed`] for metadata that is not that server's own.
pub async fn authorization_server(
    endpoints: &Endpoints,
    mcp_url: &Url,
    resource: Option<&ResourceMetadata>,
) -> Result<Option<ServerMetadata>> {
    if let Some(named) = resource.and_then(ResourceMetadata::authorization_server) {
        return issuer_metadata(endpoints, named).await;
    }
    let mut server = server_metadata(endpoints, mcp_url, Party::McpServer).await?;
    if let Some(server) = &mut server {
        bind_to_origin(server)?;
    }
    Ok(server)
}

/// An issuer's metadata, from the issuer itself.
pub async fn issuer_metadata(
    endpoints: &Endpoints,
    issuer: &str,
) -> Result<Option<ServerMetadata>> {
    let url = endpoints.check(issuer, "authorization_server")?;
    let server = server_metadata(endpoints, &url, Party::AuthorizationServer).await?;
    if let Some(server) = &server {
        check_issuer(issuer, server)?;
    }
    Ok(server)
}

/// The protected resource document: at `hint`, else at the well-known place of the URL's path, else at the root's. A
/// hint may lead nowhere. `None` where the server has none.
pub async fn resource_metadata(
    endpoints: &Endpoints,
    mcp_url: &Url,
    hint: Option<&Url>,
) -> Result<Option<ResourceMetadata>> {
    let mut candidates = well_known(mcp_url, RESOURCE);
    if let Some(hint) = hint {
        candidates.retain(|place| place != hint);
        candidates.insert(0, hint.clone());
    }
    let found = first_document(endpoints, candidates, Party::McpServer).await?;
    Ok(found.map(ResourceMetadata))
}

/// RFC 9728, sections 3.3 and 7.3: a document must be about the URL it was asked for, else a malicious server could
/// present another one's, and get tokens that were meant for that. The reference's rule: same origin, and the
/// server's path at or below the resource's.
pub fn check_resource(mcp_url: &Url, document: &ResourceMetadata) -> Result<()> {
    let refuse = |problem: String| Err(Error::new(Code::OAuthDiscoveryFailed, problem));
    let shown = sanitize_url(mcp_url);
    let Some(resource) = document.resource() else {
        return refuse(format!(
            "[MCPOAuth] Protected Resource Metadata from {shown} is missing the required 'resource' identifier (RFC \
             9728 §2). Refusing OAuth flow."
        ));
    };
    let Ok(resource) = Url::parse(resource) else {
        return refuse(format!(
            "[MCPOAuth] Unable to validate Protected Resource Metadata 'resource' for {shown}: Invalid URL."
        ));
    };
    let directory = |url: &Url| format!("{}/", url.path().trim_end_matches('/'));
    if mcp_url.origin() == resource.origin()
        && mcp_url.path().len() >= resource.path().len()
        && directory(mcp_url).starts_with(&directory(&resource))
    {
        return Ok(());
    }
    refuse(format!(
        "[MCPOAuth] Protected Resource Metadata 'resource' ({}) does not match server URL ({shown}). Refusing OAuth \
         flow (RFC 9728 §3.3).",
        sanitize_url(&resource)
    ))
}

/// The resource indicator (RFC 8707): what the protected resource document names, as it is written there. A URL parser
/// would append a slash to an identifier without a path, and MCP wants the identifier itself.
pub(super) fn resource_indicator(
    server_url: &Url,
    document: Option<&ResourceMetadata>,
) -> Result<Option<String>> {
    let Some(document) = document else {
        return Ok(None);
    };
    check_resource(server_url, document)?;
    Ok(document.resource().map(str::to_owned))
}

/// The authorization server's document, its endpoints judged. `None` where there is none, at its path and at its
/// origin.
async fn server_metadata(
    endpoints: &Endpoints,
    server_url: &Url,
    party: Party,
) -> Result<Option<ServerMetadata>> {
    let candidates = server_candidates(server_url);
    let Some(mut document) = first_document(endpoints, candidates, party).await? else {
        return Ok(None);
    };
    document.retain(|name, _| !OF_THE_GRANT.contains(&name.as_str()));
    let metadata = ServerMetadata(document);
    metadata.endpoint("token_endpoint")?;
    for field in ["registration_endpoint", "token_endpoint"] {
        if let Some(url) = metadata.text(field) {
            endpoints.check(url, field)?;
        }
    }
    check_endpoints(server_url, &metadata)?;
    Ok(Some(metadata))
}

/// For a URL with a path: both kinds with it, and the other form of `OpenID` Connect Discovery, section 4; then both
/// without.
fn server_candidates(server_url: &Url) -> Vec<Url> {
    let mut oauth = well_known(server_url, SERVER);
    let mut openid = well_known(server_url, OPENID);
    let root = [oauth.pop(), openid.pop()];
    let suffixed = path_of(server_url).and_then(|path| {
        server_url
            .join(&format!("{path}/.well-known/{OPENID}"))
            .ok()
    });
    let with_path = oauth.into_iter().chain(openid).chain(suffixed);
    with_path.chain(root.into_iter().flatten()).collect()
}

/// The first candidate that is there. A 4xx, or a redirect that is not followed, means it is not; a fault of the
/// server or the network is a fault unless another candidate answers.
async fn first_document(
    endpoints: &Endpoints,
    candidates: Vec<Url>,
    party: Party,
) -> Result<Option<Map<String, Value>>> {
    let mut fault = None;
    for url in candidates {
        let shown = sanitize_url(&url);
        let failed = |problem: String| Error::new(Code::OAuthDiscoveryFailed, problem);
        match endpoints.get(&url, party).await {
            Ok(answer) if answer.status.is_success() => match answer.object() {
                Some(document) => return Ok(Some(document)),
                None => fault = Some(failed(format!("{shown} is not a JSON object"))),
            },
            Ok(answer) if answer.status.is_server_error() => {
                let status = answer.status.as_u16();
                fault = Some(
                    failed(format!(
                        "HTTP {status} trying to load {shown}{}",
                        answer.explanation()
                    ))
                    .with_status(status)
                    .with_retryable(answer.status != StatusCode::NOT_IMPLEMENTED),
                );
            }
            Ok(_) => {}
            Err(error) => {
                let retryable = error.retryable;
                fault = Some(
                    failed(format!("{shown} could not be loaded: {error}"))
                        .with_retryable(retryable)
                        .caused_by(error),
                );
            }
        }
    }
    fault.map_or(Ok(None), Err)
}

/// `/.well-known/<suffix>` with the path of the URL, then without (RFC 8414, section 3.1; RFC 9728, section 3.1).
fn well_known(url: &Url, suffix: &str) -> Vec<Url> {
    let mut at = url.clone();
    at.set_fragment(None);
    let mut candidates = Vec::with_capacity(2);
    if let Some(path) = path_of(url) {
        at.set_path(&format!("/.well-known/{suffix}{path}"));
        candidates.push(at.clone());
    }
    at.set_path(&format!("/.well-known/{suffix}"));
    at.set_query(None);
    candidates.push(at);
    candidates
}

fn path_of(url: &Url) -> Option<&str> {
    let path = url.path().trim_end_matches('/');
    (!path.is_empty()).then_some(path)
}

/// Where servers without metadata have their endpoints (MCP 2025-03-26, chapter "Authorization", section 2.3.3).
fn legacy(server_url: &Url) -> Result<ServerMetadata> {
    let at = |path: &str| {
        server_url.join(path).map(String::from).map_err(|_| {
            Error::new(
                Code::OAuthDiscoveryFailed,
                "The server's URL has no place for OAuth endpoints",
            )
        })
    };
    let members = json!({
        "issuer": server_url.as_str(),
        "authorization_endpoint": at("/authorize")?,
        "token_endpoint": at("/token")?,
        "registration_endpoint": at("/register")?,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    });
    Ok(ServerMetadata(match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }))
}

/// Refuses a server that can do neither the authorization code grant nor S256. `methods` are those it announces, or
/// that the config says in their place; without any it is tried.
pub fn check_capabilities(metadata: &ServerMetadata, methods: Option<&[String]>) -> Result<()> {
    let lacks = |what: &str| {
        Err(Error::new(
            Code::OAuthDiscoveryFailed,
            format!("Incompatible auth server: does not support {what}"),
        ))
    };
    let types = texts(&metadata.0, "response_types_supported");
    if types.is_some_and(|types| !types.contains(&"code")) {
        return lacks("response type code");
    }
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return lacks("code challenge method S256");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
