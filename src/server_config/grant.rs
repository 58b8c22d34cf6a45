//! How a token for a server is asked for where no user logs in with it, and what a config has to say for that.
//!
//! The members are an operator's: they read files and send secrets. The published schemas know none of them.

use serde_json::{Map, Value};
use url::Url;

use super::environment;
use super::placeholders::placeholders;

type Members = Map<String, Value>;

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

    /// Whether a token is the program's, the same for all of its users.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::Workload)
    }
}

/// What is wrong, and the path to it below `oauth`.
#[derive(Debug, PartialEq, Eq)]
pub struct GrantProblem {
    pub path: Vec<String>,
    pub message: String,
}

impl GrantProblem {
    /// As the members of a config are written: `oauth.private_key_jwt.key`.
    #[must_use]
    pub fn member(&self) -> String {
        let parts = self.path.iter().map(|part| format!(".{part}"));
        format!("oauth{}", parts.collect::<String>())
    }
}

type Checked = Result<(), GrantProblem>;

fn problem(path: &[&str], message: impl Into<String>) -> GrantProblem {
    GrantProblem {
        path: path.iter().map(|part| (*part).to_owned()).collect(),
        message: message.into(),
    }
}

/// Whether the members of [`GRANT_MEMBERS`], and what they need beside them, fit each other. Holds for a config as it
/// is written and for one with its variables filled in.
pub fn check_grant(oauth: &Members) -> Checked {
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
        Some(grant) => credentials(oauth, grant),
        None => Ok(()),
    }
}

/// The client of a grant without a user's login: one that was registered beforehand, and a secret of it goes only
/// where the operator said.
fn credentials(oauth: &Members, grant: Grant) -> Checked {
    let has = |name: &str| is_filled(oauth, name);
    let proofs = [
        has("client_secret"),
        present(oauth, "private_key_jwt").is_some(),
    ];
    if grant != Grant::Workload && !has("client_id") {
        return Err(problem(&["client_id"], "is required by `oauth.grant`"));
    }
    if proofs == [true, true] {
        let message =
            "is one way to authenticate the client, `oauth.client_secret` another: configure one";
        return Err(problem(&["private_key_jwt"], message));
    }
    if grant == Grant::ClientCredentials && proofs == [false, false] {
        let message = "or `oauth.private_key_jwt` is required by `oauth.grant`";
        return Err(problem(&["client_secret"], message));
    }
    if has("client_secret") && !has("issuer") && !has("token_url") {
        let message = "requires `oauth.issuer` or `oauth.token_url`: a secret is not sent to an authorization server \
                       that only the MCP server names";
        return Err(problem(&["client_secret"], message));
    }
    if grant.is_machine() {
        let personal = oauth.iter().find(|(_, value)| has_placeholders(value));
        if let Some((name, _)) = personal {
            return Err(problem(
                &[name],
                "must not hold a placeholder: the token is the same for all users",
            ));
        }
    }
    Ok(())
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

fn only_with(path: &[&str], grant: &str) -> GrantProblem {
    problem(path, format!("is only for `oauth.grant: {grant}`"))
}

/// `null` is as good as absent, as elsewhere in a config.
fn present<'m>(members: &'m Members, name: &str) -> Option<&'m Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn is_filled(members: &Members, name: &str) -> bool {
    let text = members.get(name).and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty())
}

/// The last part of the path is a member of `members`; so below.
fn named<'m>(members: &'m Members, path: &[&str]) -> Option<&'m Value> {
    present(members, path.last()?)
}

fn is_text(members: &Members, path: &[&str]) -> Checked {
    match named(members, path) {
        Some(value) if !value.is_string() => Err(problem(path, "must be a string")),
        _ => Ok(()),
    }
}

/// A text with variables is a URL, or none, when they are filled in.
fn is_url(members: &Members, path: &[&str]) -> Checked {
    let text = named(members, path).and_then(Value::as_str);
    let is_wrong = |text: &str| {
        let url = Url::parse(text).ok();
        !is_variable(text) && !url.is_some_and(|url| matches!(url.scheme(), "https" | "http"))
    };
    if text.is_some_and(is_wrong) {
        return Err(problem(path, "must be an https URL"));
    }
    Ok(())
}

fn is_variable(text: &str) -> bool {
    environment::names(text).next().is_some()
}

/// An object with none but these members: a misspelt one would be a key that is not used. What it holds is the same
/// for all users.
fn object<'m>(
    members: &'m Members,
    path: &[&str],
    allowed: &[&str],
) -> Result<Option<&'m Members>, GrantProblem> {
    let Some(value) = named(members, path) else {
        return Ok(None);
    };
    let Value::Object(object) = value else {
        return Err(problem(path, "must be an object"));
    };
    for (name, value) in object {
        let path = [path, &[name]].concat();
        if !allowed.contains(&name.as_str()) {
            return Err(problem(&path, "is not known"));
        }
        if has_placeholders(value) {
            return Err(problem(&path, "must not hold a placeholder"));
        }
    }
    Ok(Some(object))
}

fn has_placeholders(value: &Value) -> bool {
    match value {
        Value::String(text) => placeholders(text).next().is_some(),
        Value::Array(items) => items.iter().any(has_placeholders),
        Value::Object(members) => members.values().any(has_placeholders),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(oauth: Value) -> Option<String> {
        let problem = check_grant(oauth.as_object().unwrap()).err()?;
        Some(problem.member())
    }

    #[test]
    fn grants_that_are_complete() {
        for oauth in [
            json!({}),
            json!({ "client_id": "{{ANY}}" }),
            json!({ "grant": null, "private_key_jwt": null, "assertion": null }),
            json!({ "private_key_jwt": { "key_file": "/key.pem", "alg": "EdDSA", "kid": "1" } }),
            json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": {} }),
            json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": { "key": "${KEY}", "alg": "${ALG}" } }),
            json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "issuer": "${ISSUER}" }),
            json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "token_url": "https://as/t" }),
            json!({ "grant": "enterprise", "client_id": "c" }),
            json!({ "grant": "enterprise", "client_id": "c", "identity_provider": { "client_id": "i", "issuer": "https://idp" } }),
            json!({ "grant": "workload" }),
            json!({ "grant": "workload", "assertion": { "file": "/token" } }),
            json!({ "grant": "workload", "assertion": { "metadata_url": "http://169.254.169.254/t", "metadata_headers": { "Metadata": "true" } } }),
        ] {
            assert_eq!(wrong(oauth.clone()), None, "{oauth}");
        }
    }

    #[test]
    fn what_is_wrong_has_a_path() {
        let machine = |members: Value| {
            let mut oauth = json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "issuer": "https://as" });
            let added = members.as_object().unwrap().clone();
            oauth.as_object_mut().unwrap().extend(added);
            oauth
        };
        for (oauth, path) in [
            (json!({ "grant": "password" }), "oauth.grant"),
            (json!({ "grant": 1 }), "oauth.grant"),
            (json!({ "issuer": 1 }), "oauth.issuer"),
            (json!({ "issuer": "as.test" }), "oauth.issuer"),
            (json!({ "dpop": "yes" }), "oauth.dpop"),
            (machine(json!({ "client_id": "" })), "oauth.client_id"),
            (
                machine(json!({ "client_secret": null })),
                "oauth.client_secret",
            ),
            (machine(json!({ "issuer": null })), "oauth.client_secret"),
            (
                machine(json!({ "private_key_jwt": {} })),
                "oauth.private_key_jwt",
            ),
            (
                machine(json!({ "scope": "{{LIBRECHAT_USER_ID}}" })),
                "oauth.scope",
            ),
            (
                machine(json!({ "assertion": { "file": "/t" } })),
                "oauth.assertion",
            ),
            (json!({ "private_key_jwt": "pem" }), "oauth.private_key_jwt"),
            (
                json!({ "private_key_jwt": { "key": "k", "key_file": "f" } }),
                "oauth.private_key_jwt",
            ),
            (
                json!({ "private_key_jwt": { "keyfile": "f" } }),
                "oauth.private_key_jwt.keyfile",
            ),
            (
                json!({ "private_key_jwt": { "key": 1 } }),
                "oauth.private_key_jwt.key",
            ),
            (
                json!({ "private_key_jwt": { "key": "{{KEY}}" } }),
                "oauth.private_key_jwt.key",
            ),
            (
                json!({ "private_key_jwt": { "alg": "HS256" } }),
                "oauth.private_key_jwt.alg",
            ),
            (
                json!({ "identity_provider": {} }),
                "oauth.identity_provider",
            ),
            (
                json!({ "grant": "enterprise", "client_id": "c", "identity_provider": {} }),
                "oauth.identity_provider.client_id",
            ),
            (
                json!({ "grant": "enterprise", "client_id": "c", "identity_provider": { "client_id": "i" } }),
                "oauth.identity_provider.issuer",
            ),
            (json!({ "grant": "enterprise" }), "oauth.client_id"),
            (
                json!({ "grant": "workload", "assertion": {} }),
                "oauth.assertion",
            ),
            (
                json!({ "grant": "workload", "assertion": { "file": "/t", "metadata_headers": {} } }),
                "oauth.assertion.metadata_headers",
            ),
            (
                json!({ "grant": "workload", "assertion": { "metadata_url": "ftp://x" } }),
                "oauth.assertion.metadata_url",
            ),
        ] {
            assert_eq!(wrong(oauth.clone()).as_deref(), Some(path), "{oauth}");
        }
    }
}
