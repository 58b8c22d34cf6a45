//! Which tokens are asked for as bound to a key of their user (RFC 9449), and whether they came so. Keys are rows of
//! [`Storage`](super::storage::Storage).

use serde_json::{Map, Value, json};

use super::challenge::BearerChallenge;
use super::documents::{ResourceMetadata, ServerMetadata, Tokens, text, texts};
use crate::dpop::{ALG, Prover, SCHEME};
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// In the metadata of a client's row: the thumbprint of the key that its tokens are bound to. It is ours to say, and no
/// authorization server's.
pub(super) const THUMBPRINT: &str = "dpop_jkt";
/// The member of a flow that has the key, encrypted as the row is.
pub(super) const FLOW_KEY: &str = "dpopKey";

const ALGORITHMS: &str = "dpop_signing_alg_values_supported";

/// The key that a user is asked to bind tokens to.
pub(super) struct FlowKey {
    pub prover: Prover,
    pub encrypted: Secret,
}

impl FlowKey {
    /// The callback may come to another process, and have no store at hand. The client's row will say what its tokens are
    /// bound to.
    pub fn add_to_flow(&self, flow: &mut Map<String, Value>) {
        flow.insert(FLOW_KEY.to_owned(), json!(self.encrypted.expose()));
        if let Some(Value::Object(server)) = flow.get_mut("metadata") {
            server.insert(THUMBPRINT.to_owned(), json!(self.prover.thumbprint()));
        }
    }
}

/// Whether tokens for a resource are to be bound to a key: `option` is `oauth.dpop` of its config, without which it is the
/// resource that says so, by its metadata or by a challenge of no other scheme.
///
/// Fails with [`Code::OAuthDiscoveryFailed`] where one of both takes no proofs of ours.
pub fn wants_dpop(
    option: Option<bool>,
    resource: Option<&ResourceMetadata>,
    challenge: Option<&BearerChallenge>,
    server: &ServerMetadata,
) -> Result<bool> {
    let required = resource.and_then(|it| it.0.get("dpop_bound_access_tokens_required"));
    let challenged = challenge.and_then(|challenge| challenge.only_dpop.as_deref());
    let is_required = required == Some(&Value::Bool(true)) || challenged.is_some();
    if !option.unwrap_or(is_required) {
        return Ok(false);
    }
    let challenged = challenged.filter(|algorithms| !algorithms.is_empty());
    for (who, algorithms) in [
        ("authorization server", server.texts(ALGORITHMS)),
        (
            "MCP server",
            resource.and_then(|it| texts(&it.0, ALGORITHMS)),
        ),
        (
            "MCP server",
            challenged.map(|it| it.split_whitespace().collect()),
        ),
    ] {
        if algorithms.is_some_and(|algorithms| !algorithms.contains(&ALG)) {
            return Err(Error::new(
                Code::OAuthDiscoveryFailed,
                format!("The {who} takes no DPoP proofs that are signed with {ALG}"),
            ));
        }
    }
    Ok(true)
}

/// What an authorization server answered to a request with a proof has to be a token that is of no use without one.
///
/// Fails with `code`.
pub fn check_bound(tokens: &Tokens, prover: Option<&Prover>, code: Code) -> Result<()> {
    if prover.is_none() || is_bound(tokens) {
        return Ok(());
    }
    Err(Error::new(
        code,
        "The authorization server was asked for a token that is bound to a DPoP key, and gave one that is not",
    ))
}

pub(super) fn is_bound(tokens: &Tokens) -> bool {
    let kind = text(&tokens.0, "token_type");
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(SCHEME))
}

/// The key of the tokens that belong to a client's row, by its thumbprint.
///
/// Fails with [`Code::ReauthenticationRequired`] where the config wants tokens of the other kind.
pub(super) fn bound_to<'a>(
    row: Option<&'a Map<String, Value>>,
    option: Option<bool>,
    server_name: &str,
) -> Result<Option<&'a str>> {
    let thumbprint = row.and_then(|row| text(row, THUMBPRINT));
    let problem = match (option, thumbprint) {
        (Some(true), None) => "are not bound to a DPoP key, as `oauth.dpop` wants them",
        (Some(false), Some(_)) => "are bound to a DPoP key, which `oauth.dpop` rules out",
        _ => return Ok(thumbprint),
    };
    Err(Error::new(
        Code::ReauthenticationRequired,
        format!(
            "[MCPOAuth] Stored OAuth tokens for {server_name} {problem}; re-authentication is required."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn who_says_that_tokens_are_bound() {
        let required = json!({ "dpop_bound_access_tokens_required": true });
        let quoted = json!({ "dpop_bound_access_tokens_required": "true" });
        let (none, both) = (json!({}), "Bearer, DPoP");
        for (option, resource, challenge, expected) in [
            (None, &none, "Bearer", false),
            (None, &none, both, false),
            (None, &none, "DPoP", true),
            (None, &required, "Bearer", true),
            (None, &quoted, "Bearer", false),
            (Some(true), &none, "Bearer", true),
            (Some(false), &required, "DPoP", false),
        ] {
            let resource = ResourceMetadata(members(resource));
            let challenge = BearerChallenge::parse(challenge);
            let server = ServerMetadata(Map::new());
            let wanted = wants_dpop(option, Some(&resource), challenge.as_ref(), &server);
            assert_eq!(
                wanted.unwrap(),
                expected,
                "{option:?} {resource:?} {challenge:?}"
            );
        }
    }

    #[test]
    fn both_servers_have_to_take_our_proofs() {
        let wants = |server: Value, resource: Value, challenge: &str| {
            let challenge = BearerChallenge::parse(challenge);
            let (server, resource) = (
                ServerMetadata(members(&server)),
                ResourceMetadata(members(&resource)),
            );
            wants_dpop(Some(true), Some(&resource), challenge.as_ref(), &server)
        };
        let list = |algorithms: &[&str]| json!({ "dpop_signing_alg_values_supported": algorithms });
        let ours = list(&["RS256", "ES256"]);
        assert!(wants(ours.clone(), ours.clone(), r#"DPoP algs="ES256 PS256""#).unwrap());
        let others = list(&["EdDSA"]);
        for (server, resource, challenge, who) in [
            (others.clone(), ours.clone(), "DPoP", "authorization server"),
            (list(&[]), ours.clone(), "DPoP", "authorization server"),
            (ours.clone(), others, "DPoP", "MCP server"),
            (ours.clone(), ours, r#"DPoP algs="PS256""#, "MCP server"),
        ] {
            let error = wants(server, resource, challenge).unwrap_err();
            assert_eq!(error.code, Code::OAuthDiscoveryFailed);
            assert!(error.message.contains(who), "{error}");
        }
    }

    #[test]
    fn tokens_of_another_kind_are_not_taken() {
        let (prover, _) = Prover::generate().unwrap();
        let check = |kind: &str, prover: Option<&Prover>| {
            let tokens = Tokens(members(&json!({ "token_type": kind })));
            check_bound(&tokens, prover, Code::OAuthExchangeFailed)
        };
        assert!(check("dpop", Some(&prover)).is_ok() && check("Bearer", None).is_ok());
        let error = check("Bearer", Some(&prover)).unwrap_err();
        assert_eq!(error.code, Code::OAuthExchangeFailed);
    }

    #[test]
    fn stored_tokens_are_of_the_kind_that_the_config_wants() {
        let row = members(&json!({ "dpop_jkt": "t" }));
        let bound = |option| bound_to(Some(&row), option, "s");
        assert_eq!(bound(None).unwrap(), Some("t"));
        assert_eq!(bound(Some(true)).unwrap(), Some("t"));
        assert_eq!(bound_to(None, None, "s").unwrap(), None);
        for refused in [bound(Some(false)), bound_to(None, Some(true), "s")] {
            assert_eq!(refused.unwrap_err().code, Code::ReauthenticationRequired);
        }
    }
}
