//! How the operator's client proves itself at the token endpoint.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::clock::now_ms;
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::host::{ClientAuth, OnBehalfOf, OpenIdClient};
use crate::secret::Secret;

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion of ours is valid, in seconds.
const ASSERTION_LIFETIME: i64 = 300;

/// What one request carries to authenticate the client.
#[derive(Default)]
pub(super) struct Credentials {
    pub form: Vec<(&'static str, String)>,
    pub authorization: Option<HeaderValue>,
    /// What no answer may repeat to us.
    pub secrets: Vec<Secret>,
}

/// Makes the credentials of one request; assertions are made anew for each.
pub(super) async fn credentials(
    client: &OpenIdClient,
    host: &dyn OnBehalfOf,
) -> Result<Credentials> {
    let mut credentials = Credentials::default();
    match &client.client_auth {
        ClientAuth::None => {}
        ClientAuth::SecretPost(secret) => {
            credentials
                .form
                .push(("client_secret", secret.expose().clone()));
            credentials.secrets.push(secret.clone());
        }
        ClientAuth::SecretBasic(secret) => {
            let (header, pair) = basic(&client.client_id, secret)?;
            credentials.authorization = Some(header);
            credentials.secrets.extend([secret.clone(), pair]);
        }
        ClientAuth::Certificate {
            private_key_pem,
            certificate_pem,
            alg,
        } => {
            let key = SigningKey::new(private_key_pem, certificate_pem, alg.as_deref())?;
            credentials.assertion(key.assertion(client)?);
        }
        ClientAuth::HostAssertion => credentials.assertion(host.client_assertion().await?),
    }
    Ok(credentials)
}

impl Credentials {
    fn assertion(&mut self, assertion: Secret) {
        self.form.extend([
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion.expose().clone()),
        ]);
        self.secrets.push(assertion);
    }
}

/// RFC 6749, section 2.3.1: both halves are form-encoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> Result<(HeaderValue, Secret)> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    let pair = STANDARD.encode(pair);
    let mut header = HeaderValue::from_str(&format!("Basic {pair}"))
        .map_err(|_| unusable("The OpenID client's secret cannot be sent"))?;
    header.set_sensitive(true);
    Ok((header, Secret::new(pair)))
}

/// A key and the certificate that the provider knows it by.
struct SigningKey {
    key: RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    alg: &'static str,
    /// base64url of the certificate's SHA-256 (RFC 7515, section 4.1.8).
    thumbprint: String,
}

impl SigningKey {
    fn new(key: &Secret, certificate: &str, alg: Option<&str>) -> Result<Self> {
        let (alg, encoding): (_, &'static dyn RsaEncoding) = match alg {
            None | Some("PS256") => ("PS256", &RSA_PSS_SHA256),
            Some("RS256") => ("RS256", &RSA_PKCS1_SHA256),
            Some(_) => return Err(unusable("clientAuth.alg must be PS256 or RS256")),
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| unusable("clientAuth.certificatePem holds no PEM certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
            unusable("clientAuth.privateKeyPem holds no PEM private key, or an encrypted one")
        })?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unusable("clientAuth.privateKeyPem must hold an RSA key")),
        };
        Ok(Self {
            key: key.map_err(|_| {
                unusable("clientAuth.privateKeyPem must hold an RSA key of at least 2048 bits")
            })?,
            encoding,
            alg,
            thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)),
        })
    }

    /// `private_key_jwt`: RFC 7523, section 3, with what Entra asks for on top.
    fn assertion(&self, client: &OpenIdClient) -> Result<Secret> {
        let now = now_ms() / 1000;
        let header = json!({ "alg": self.alg, "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": client.token_endpoint,
            "iss": client.client_id,
            "sub": client.client_id,
            "jti": URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            "nbf": now,
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                self.encoding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| unusable("The OpenID client's private key cannot sign"))?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Secret::new(format!("{signed}.{signature}")))
    }
}

/// A fault of the operator's credentials, found before anything was sent.
fn unusable(message: &str) -> Error {
    Error::new(Code::OboExchangeFailed, message).with_obo(OboFailure {
        detail: Some(OboDetail::ClientCredentials),
        ..OboFailure::new(OboReason::ExchangeFailed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_form_encoded() {
        let (header, _) = basic("a b", &Secret::from("p:ä%")).unwrap();
        let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(pair).unwrap(), b"a+b:p%3A%C3%A4%25");
        assert!(!format!("{header:?}").contains(pair));
    }

    #[test]
    fn keys_that_cannot_be_used() {
        for (key, certificate, alg, expected) in [
            ("", "", Some("HS256"), "clientAuth.alg"),
            ("", "hunter2", None, "clientAuth.certificatePem"),
        ] {
            let Err(error) = SigningKey::new(&Secret::from(key), certificate, alg) else {
                panic!("must not work: {expected}");
            };
            assert!(error.message.starts_with(expected), "{error}");
            assert!(!error.message.contains("hunter2"));
            let failure = error.obo.unwrap();
            assert_eq!(failure.detail, Some(OboDetail::ClientCredentials));
        }
    }
}
