//! `openIdConfig`: the client with which tokens are exchanged.

use crate::host::{ClientAuth, OpenIdClient};
use crate::node::engine::{JsResult, Scope, Type, Value};
use crate::node::marshal::convert::text_member;
use crate::secret::Secret;

/// An openid-client v6 `Configuration`, or the plain form.
pub fn openid_client(config: Value<'_>) -> JsResult<'_, OpenIdClient> {
    let scope = config.scope();
    if !matches!(config.kind(), Type::Object | Type::Function) {
        return Err(scope.type_error("host.openIdConfig must return an object"));
    }
    let metadata = config.get("serverMetadata")?;
    if !metadata.is_function() {
        let names = ["issuer", "tokenEndpoint", "clientId"];
        let auth = |secret| client_auth(config, secret);
        return client(config, config, names, "clientSecret", auth);
    }
    let server = metadata.call(config, &[])?;
    let registration = config.call_method("clientMetadata", &[])?;
    let names = ["issuer", "token_endpoint", "client_id"];
    let method = registration.get("token_endpoint_auth_method")?.as_string();
    let auth = |secret| method_auth(scope, method.as_deref(), secret);
    client(server, registration, names, "client_secret", auth)
}

fn client<'env>(
    server: Value<'env>,
    registration: Value<'env>,
    [issuer, token_endpoint, client_id]: [&str; 3],
    secret: &str,
    auth: impl FnOnce(Option<Secret>) -> JsResult<'env, ClientAuth>,
) -> JsResult<'env, OpenIdClient> {
    let scope = server.scope();
    let required = |holder, name: &str| {
        text_member(holder, name)?.ok_or_else(|| {
            scope.type_error(&format!(
                "host.openIdConfig: {name} must be a non-empty string"
            ))
        })
    };
    Ok(OpenIdClient {
        issuer: text_member(server, issuer)?,
        token_endpoint: required(server, token_endpoint)?,
        client_id: required(registration, client_id)?,
        client_auth: auth(text_member(registration, secret)?.map(Secret::new))?,
    })
}

/// `clientAuth` of the plain form.
fn client_auth<'env>(config: Value<'env>, secret: Option<Secret>) -> JsResult<'env, ClientAuth> {
    let auth = config.get("clientAuth")?;
    let scope = config.scope();
    match auth.kind() {
        Type::Undefined | Type::Null => method_auth(scope, None, secret),
        Type::String => method_auth(scope, auth.as_string().as_deref(), secret),
        Type::Object if auth.get("clientAssertion")?.is_function() => Ok(ClientAuth::HostAssertion),
        Type::Object => {
            let text = |name: &str| -> JsResult<'env, String> {
                auth.get(name)?.as_string().ok_or_else(|| {
                    scope.type_error(&format!(
                        "host.openIdConfig: clientAuth.{name} must be a string"
                    ))
                })
            };
            Ok(ClientAuth::Certificate {
                private_key_pem: Secret::new(text("privateKeyPem")?),
                certificate_pem: text("certificatePem")?,
                alg: auth.get("alg")?.as_string(),
            })
        }
        _ => Err(scope.type_error("host.openIdConfig: clientAuth must be a string or an object")),
    }
}

/// A method by its registered name (`OpenID` Connect Core, section 9). Without one, openid-client posts the secret it
/// has.
fn method_auth<'env>(
    scope: Scope<'env>,
    method: Option<&str>,
    secret: Option<Secret>,
) -> JsResult<'env, ClientAuth> {
    match (method, secret) {
        (None, None) | (Some("none"), _) => Ok(ClientAuth::None),
        (None | Some("client_secret_post"), Some(secret)) => Ok(ClientAuth::SecretPost(secret)),
        (Some("client_secret_basic"), Some(secret)) => Ok(ClientAuth::SecretBasic(secret)),
        (Some("client_secret_post" | "client_secret_basic"), None) => {
            Err(scope.type_error("host.openIdConfig: the client secret is missing"))
        }
        (Some(method), _) => Err(scope.type_error(&format!(
            "host.openIdConfig: the client authentication method {method} cannot be taken over; give clientAuth with a \
             key or an assertion"
        ))),
    }
}
