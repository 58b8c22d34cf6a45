//! How a token for a server is asked for where no user logs in with it, and what a config has to say for that.
//!
//! The members are an operator's: they read files and send secrets. The published schemas know none of them.

mod parts;

use std::sync::Arc;

use parts::{is_filled, is_text, is_url, is_variable, object};
use serde_json::{Map, Value};

use super::header::is_authorization;
use super::placeholders::has_placeholders;
use super::problem::{Checked, Members, Problem, present, problem};
use crate::error::Result;

/// Members of `oauth` that only an operator may set, beyond those of the published schemas.
pub const GRANT_MEMBERS: [&str; 6] = [
    "grant",
    "issuer",
    "private_key_jwt",
    "dpop",
    "identity_provider",
    "assertion",
];

const KEY_MEMBERS: [&str; 4] = ["key", "key_file", "alg", "kid"];
const PROVIDER_MEMBERS: [&str; 6] = [
    "issuer",
    "token_url",
    "client_id",
    "client_secret",
    "private_key_jwt",
    "token_exchange_method",
];
const ASSERTION_MEMBERS: [&str; 3] = ["file", "metadata_url", "metadata_headers"];

/// Members of `oauth` that say where secrets go.
const DESTINATIONS: [&str; 4] = [
    "issuer",
    "token_url",
    "authorization_url",
    "revocation_endpoint",
];

const UNPINNED: &str = "requires `oauth.issuer` or `oauth.token_url`: a secret is not sent to an authorization server that \
                        only the MCP server names";
const SHARED: &str =
    "must not hold a placeholder: the token of `oauth.grant` is the same for all users";

/// `oauth.grant` of a server's config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749, section 4.4: the server knows this program, not its users.
    ClientCredentials,
    /// Enterprise-managed authorization (SEP-990): the user's ID token is exchanged.
    Enterprise,
    /// Workload identity (SEP-1933): the platform says what this program is.
    Workload,
}

impl Grant {
    const NAMES: [&'static str; 3] = ["client_credentials", "enterprise", "workload"];

    /// `None` where users log in.
    #[must_use]
    pub fn of(oauth: &Members) -> Option<Self> {
        match oauth.get("grant")?.as_str()? {
            "client_credentials" => Some(Self::ClientCredentials),
            "enterprise" => Some(Self::Enterprise),
            "workload" => Some(Self::Workload),
            _ => None,
        }
    }

    /// The extension of the protocol that it is, which servers are told of (SEP-2133).
    const fn extension(self) -> Option<&'static str> {
        match self {
            Self::ClientCredentials => Some("io.modelcontextprotocol/oauth-client-credentials"),
            Self::Enterprise => Some("io.modelcontextprotocol/enterprise-managed-authorization"),
            Self::Workload => None,
        }
    }

    /// The extensions of a config, with the one that the grant is, unless the config says something of it.
    pub(super) fn told(self, extensions: Option<Arc<Members>>) -> Option<Arc<Members>> {
        let Some(name) = self.extension() else {
            return extensions;
        };
        let mut extensions = extensions.map(Arc::unwrap_or_clone).unwrap_or_default();
        let settings = extensions.entry(name.to_owned());
        settings.or_insert_with(|| Members::new().into());
        Some(Arc::new(extensions))
    }

    /// Whether a token is the program's, the same for all of its users.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::Workload)
    }
}

/// Whether a config's `oauth` is complete, and what is beside it leaves the token to it.
pub fn check_server(members: &Members) -> Checked {
    let Some(oauth) = members.get("oauth").and_then(Value::as_object) else {
        return Ok(());
    };
    let tls = members.get("tls").and_then(Value::as_object);
    let has_certificate = tls.is_some_and(|tls| is_filled(tls, "cert"));
    check_oauth(oauth, has_certificate).map_err(|problem| problem.below("oauth"))?;
    let Some(grant) = Grant::of(oauth) else {
        return Ok(());
    };
    for name in ["command", "obo", "apiKey"] {
        if present(members, name).is_some() {
            return Err(problem(&[name], "and `oauth.grant` exclude each other"));
        }
    }
    for member in ["headers", "requestHeaders"] {
        let names = members.get(member).and_then(Value::as_object);
        let mut names = names.into_iter().flat_map(Map::keys);
        if let Some(name) = names.find(|name| is_authorization(name)) {
            return Err(problem(
                &[member, name],
                "and `oauth.grant` exclude each other",
            ));
        }
    }
    let (sends, oauth_pin) = (members.get("oauth_headers"), ["issuer", "token_url"]);
    let sends = sends.and_then(Value::as_object).filter(|it| !it.is_empty());
    if let (Some(headers), false) = (sends, oauth_pin.iter().any(|pin| is_filled(oauth, pin))) {
        let name = headers.keys().next().map_or("", |name| name);
        return Err(problem(&["oauth_headers", name], UNPINNED));
    }
    if grant.is_machine() && sends.is_some_and(|it| it.values().any(has_placeholders)) {
        return Err(problem(&["oauth_headers"], SHARED));
    }
    if grant.is_machine() && members.get("url").is_some_and(has_placeholders) {
        // A user's value would have a say in who gets the token that all share.
        return Err(problem(&["url"], SHARED));
    }
    Ok(())
}

/// Refuses members that are an operator's in a config of somebody else.
pub(super) fn check_author(oauth: Option<&Members>, is_operators: bool) -> Result<()> {
    let is_reserved = |name: &&&str| oauth.is_some_and(|oauth| present(oauth, name).is_some());
    match GRANT_MEMBERS.iter().find(is_reserved) {
        Some(name) if !is_operators => {
            Err(problem(&["oauth", name], "is for an operator's config only").into())
        }
        _ => Ok(()),
    }
}

/// Refuses an `oauth` whose variables, filled in, make it another one than it was written to be.
pub(super) fn check_expanded(oauth: &Members, has_certificate: bool) -> Result<()> {
    check_oauth(oauth, has_certificate).map_err(|problem| problem.below("oauth").into())
}

/// Whether the members of [`GRANT_MEMBERS`], and what they need beside them, fit each other. Holds for a config as it
/// is written and for one with its variables filled in. A client may prove itself with the certificate of its TLS.
fn check_oauth(oauth: &Members, has_certificate: bool) -> Checked {
    if let Some(grant) = present(oauth, "grant") {
        let is_known = grant.as_str().is_some_and(|it| Grant::NAMES.contains(&it));
        if !is_known {
            let names = Grant::NAMES.map(|name| format!("`{name}`")).join(", ");
            return Err(problem(&["grant"], format!("must be one of {names}")));
        }
    }
    is_text(oauth, &["issuer"])?;
    is_url(oauth, &["issuer"])?;
    if present(oauth, "dpop").is_some_and(|dpop| !dpop.is_boolean()) {
        return Err(problem(&["dpop"], "must be a boolean"));
    }
    private_key_jwt(oauth, &["private_key_jwt"])?;
    let grant = Grant::of(oauth);
    if grant == Some(Grant::Enterprise) && present(oauth, "dpop") == Some(&Value::Bool(true)) {
        // Processes share these tokens, and no key.
        let why = "cannot be true with `grant: enterprise`, whose tokens are bound to no key";
        return Err(problem(&["dpop"], why));
    }
    if let Some(provider) = object(oauth, &["identity_provider"], &PROVIDER_MEMBERS)? {
        if grant != Some(Grant::Enterprise) {
            return Err(only_with(&["identity_provider"], "enterprise"));
        }
        identity_provider(provider)?;
    }
    if let Some(source) = object(oauth, &["assertion"], &ASSERTION_MEMBERS)? {
        if grant != Some(Grant::Workload) {
            return Err(only_with(&["assertion"], "workload"));
        }
        assertion(source)?;
    }
    match grant {
        Some(grant) => credentials(oauth, grant, has_certificate),
        None => Ok(()),
    }
}

/// The client of a grant without a user's login: one that was registered beforehand, and what proves it goes only where
/// the operator said.
fn credentials(oauth: &Members, grant: Grant, has_certificate: bool) -> Checked {
    let has = |name: &str| is_filled(oauth, name);
    let proofs = [
        has("client_secret"),
        present(oauth, "private_key_jwt").is_some(),
    ];
    if (grant != Grant::Workload || proofs.contains(&true)) && !has("client_id") {
        return Err(problem(&["client_id"], "is required by `oauth.grant`"));
    }
    if proofs == [true, true] {
        let message =
            "is one way to authenticate the client, `oauth.client_secret` another: configure one";
        return Err(problem(&["private_key_jwt"], message));
    }
    let proof = match proofs {
        [true, _] => Some("client_secret"),
        [_, true] => Some("private_key_jwt"),
        // RFC 8705, section 2: the id is all that the form has.
        _ if has_certificate => Some("client_id"),
        _ => None,
    };
    if grant == Grant::ClientCredentials && proof.is_none() {
        let message = "or `oauth.private_key_jwt` or `tls.cert` is required by `oauth.grant`";
        return Err(problem(&["client_secret"], message));
    }
    let is_pinned = has("issuer") || has("token_url");
    let is_proof = |name: &&str| *name != "client_id" || grant == Grant::ClientCredentials;
    if let (Some(name), false) = (proof.filter(is_proof), is_pinned) {
        return Err(problem(&[name], UNPINNED));
    }
    let why = if grant.is_machine() {
        SHARED
    } else {
        "must not hold a placeholder: only the operator says where secrets go"
    };
    let is_shared = |name: &str| grant.is_machine() || DESTINATIONS.contains(&name);
    let mut members = oauth.iter();
    match members.find(|(name, value)| is_shared(name) && has_placeholders(value)) {
        Some((name, _)) => Err(problem(&[name], why)),
        None => Ok(()),
    }
}

fn private_key_jwt(members: &Members, path: &[&str]) -> Checked {
    let Some(key) = object(members, path, &KEY_MEMBERS)? else {
        return Ok(());
    };
    for name in KEY_MEMBERS {
        is_text(key, &[path, &[name]].concat())?;
    }
    if is_filled(key, "key") && is_filled(key, "key_file") {
        return Err(problem(path, "must have `key` or `key_file`, not both"));
    }
    let algorithms = ["ES256", "PS256", "RS256", "EdDSA"];
    let alg = key.get("alg").and_then(Value::as_str);
    if alg.is_some_and(|alg| !is_variable(alg) && !algorithms.contains(&alg)) {
        return Err(problem(
            &[path, &["alg"]].concat(),
            "must be ES256, PS256, RS256 or EdDSA",
        ));
    }
    Ok(())
}

fn identity_provider(provider: &Members) -> Checked {
    let at = |name| ["identity_provider", name];
    for name in ["issuer", "token_url", "client_id", "client_secret"] {
        is_text(provider, &at(name))?;
    }
    for name in ["issuer", "token_url"] {
        is_url(provider, &at(name))?;
    }
    private_key_jwt(provider, &at("private_key_jwt"))?;
    let method = present(provider, "token_exchange_method");
    let methods = ["default_post", "basic_auth_header"];
    if method.is_some_and(|method| !method.as_str().is_some_and(|it| methods.contains(&it))) {
        return Err(problem(
            &at("token_exchange_method"),
            "must be `default_post` or `basic_auth_header`",
        ));
    }
    if !is_filled(provider, "client_id") {
        return Err(problem(&at("client_id"), "is required"));
    }
    if !is_filled(provider, "issuer") && !is_filled(provider, "token_url") {
        return Err(problem(&at("issuer"), "or `token_url` is required"));
    }
    Ok(())
}

fn assertion(source: &Members) -> Checked {
    let at = |name| ["assertion", name];
    is_text(source, &at("file"))?;
    is_text(source, &at("metadata_url"))?;
    is_url(source, &at("metadata_url"))?;
    if is_filled(source, "file") == is_filled(source, "metadata_url") {
        return Err(problem(
            &["assertion"],
            "must have either `file` or `metadata_url`; without `assertion` the host is asked",
        ));
    }
    if let Some(headers) = present(source, "metadata_headers") {
        let is_texts = headers
            .as_object()
            .is_some_and(|headers| headers.values().all(Value::is_string));
        if !is_texts || !is_filled(source, "metadata_url") {
            return Err(problem(
                &at("metadata_headers"),
                "must be an object of strings beside `metadata_url`",
            ));
        }
    }
    Ok(())
}

fn only_with(path: &[&str], grant: &str) -> Problem {
    problem(path, format!("is only for `oauth.grant: {grant}`"))
}

#[cfg(test)]
mod tests;
