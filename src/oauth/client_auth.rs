//! How a client authenticates at an endpoint (RFC 6749, section 2.3.1), chosen as `LibreChat` chooses
//! (`packages/api/src/mcp/oauth/methods.ts`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::documents::ClientInfo;
use super::form::Form;
use crate::jws::CLIENT_ASSERTION_TYPE;
use crate::secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client: only its id, in the body.
    None,
    Basic,
    Post,
    /// With an assertion in the secret's place (RFC 7523, section 2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// `token_exchange_method` of a server's config.
    #[must_use]
    pub fn forced(token_exchange_method: Option<&str>) -> Option<Self> {
        match token_exchange_method {
            Some("default_post") => Some(Self::Post),
            Some("basic_auth_header") => Some(Self::Basic),
            _ => None,
        }
    }

    /// For a client with a secret: the config's choice, then the registration's, then what the endpoint supports.
    #[must_use]
    pub fn for_secret(forced: Option<Self>, preferred: Option<&str>, supported: &[&str]) -> Self {
        let with_secret = |name: &str| match name {
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            _ => None,
        };
        forced
            .or_else(|| preferred.and_then(with_secret))
            .unwrap_or_else(|| {
                let basic = supported.contains(&"client_secret_basic");
                if !basic && supported.contains(&"client_secret_post") {
                    Self::Post
                } else {
                    Self::Basic
                }
            })
    }

    /// What to ask for when registering: the first method with a secret that the server supports, for `none` would
    /// declare a public client; what it lists first where nothing is known.
    #[must_use]
    pub fn for_registration(forced: Option<Self>, supported: Option<&[&str]>) -> String {
        let known = ["client_secret_basic", "client_secret_post", "none"];
        let listed = supported.unwrap_or_default();
        forced.map_or_else(
            || {
                listed
                    .iter()
                    .find(|method| known[..2].contains(method))
                    .or_else(|| listed.iter().find(|method| known.contains(method)))
                    .or_else(|| listed.first())
                    .copied()
                    .unwrap_or("client_secret_basic")
                    .to_owned()
            },
            |forced| forced.as_str().to_owned(),
        )
    }
}

/// Puts the client's credentials where the method wants them; what it returns is the `Authorization` header. Id and
/// secret are not percent-encoded for HTTP Basic, as in the reference: most servers do not decode them.
#[must_use]
pub fn authenticate(
    form: &mut Form,
    method: AuthMethod,
    client_id: &str,
    secret: Option<&Secret>,
) -> Option<Secret> {
    match (method, secret) {
        (AuthMethod::Basic, Some(secret)) => {
            let pair = STANDARD.encode(format!("{client_id}:{}", secret.expose()));
            Some(Secret::new(format!("Basic {pair}")))
        }
        (AuthMethod::Post, Some(secret)) => {
            form.set("client_id", client_id);
            form.set("client_secret", secret.expose());
            None
        }
        (AuthMethod::PrivateKeyJwt, Some(assertion)) => {
            form.set("client_id", client_id);
            form.set("client_assertion_type", CLIENT_ASSERTION_TYPE);
            form.set("client_assertion", assertion.expose());
            None
        }
        _ => {
            form.set("client_id", client_id);
            None
        }
    }
}

/// The credentials of a flow's client, which the flow knows the method of.
#[must_use]
pub fn authenticate_in_flow(
    form: &mut Form,
    client: &ClientInfo,
    supported: Option<&[&str]>,
) -> Option<Secret> {
    if client.auth_method() == Some(AuthMethod::None.as_str()) {
        return authenticate(form, AuthMethod::None, client.id(), None);
    }
    authenticate_client(form, client, None, supported)
}

/// The credentials of a registered client in a token request. `supported` are the endpoint's methods, where known.
#[must_use]
pub fn authenticate_client(
    form: &mut Form,
    client: &ClientInfo,
    forced: Option<AuthMethod>,
    supported: Option<&[&str]>,
) -> Option<Secret> {
    let secret = client.secret();
    let method = match &secret {
        None => AuthMethod::None,
        Some(_) => AuthMethod::for_secret(
            forced,
            client.auth_method(),
            supported.unwrap_or(&["client_secret_basic"]),
        ),
    };
    authenticate(form, method, client.id(), secret.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_for_a_secret() {
        use AuthMethod::{Basic, Post};
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        for (forced, preferred, supported, expected) in [
            (Some("default_post"), Some(basic), &[basic][..], Post),
            (Some("basic_auth_header"), Some(post), &[post], Basic),
            (None, Some(post), &[basic], Post),
            (None, Some("none"), &[post, basic], Basic),
            (None, Some("private_key_jwt"), &[post], Post),
            (None, None, &[], Basic),
            (Some("invented"), None, &[post], Post),
        ] {
            let forced = AuthMethod::forced(forced);
            let chosen = AuthMethod::for_secret(forced, preferred, supported);
            assert_eq!(chosen, expected, "{forced:?} {preferred:?} {supported:?}");
        }
    }

    #[test]
    fn methods_to_register_with() {
        for (forced, supported, expected) in [
            (None, None, "client_secret_basic"),
            (None, Some(&[][..]), "client_secret_basic"),
            (
                None,
                Some(&["none", "client_secret_post"]),
                "client_secret_post",
            ),
            (None, Some(&["none"]), "none"),
            (None, Some(&["private_key_jwt", "none"]), "none"),
            (None, Some(&["private_key_jwt"]), "private_key_jwt"),
            (
                Some("default_post"),
                Some(&["client_secret_basic"]),
                "client_secret_post",
            ),
        ] {
            let forced = AuthMethod::forced(forced);
            assert_eq!(AuthMethod::for_registration(forced, supported), expected);
        }
    }

    #[test]
    fn never_in_header_and_body() {
        let secret = Secret::from("s");
        for (method, secret, header, body) in [
            (AuthMethod::Basic, Some(&secret), Some("Basic Yzpz"), ""),
            (
                AuthMethod::Post,
                Some(&secret),
                None,
                "client_id=c&client_secret=s",
            ),
            (AuthMethod::None, Some(&secret), None, "client_id=c"),
            (
                AuthMethod::PrivateKeyJwt,
                Some(&secret),
                None,
                "client_id=c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=s",
            ),
            (AuthMethod::Basic, None, None, "client_id=c"),
        ] {
            let mut form = Form::default();
            let sent = authenticate(&mut form, method, "c", secret);
            assert_eq!(sent.as_ref().map(|sent| sent.expose().as_str()), header);
            assert_eq!(form.encode(), body);
        }
    }
}
