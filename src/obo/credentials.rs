//! How the operator's client proves itself at the token endpoint.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::host::{ClientAuth, OnBehalfOf, OpenIdClient};
use crate::jws::{CLIENT_ASSERTION_TYPE, SigningKey};
use crate::secret::Secret;

/// What one request carries to authenticate the client.
#[derive(Default)]
pub struct Credentials {
    pub form: Vec<(&'static str, String)>,
    pub authorization: Option<HeaderValue>,
    /// What no answer may repeat to us.
    pub secrets: Vec<Secret>,
}

/// Makes the credentials of one request; assertions are made anew for each.
pub async fn credentials(client: &OpenIdClient, host: &dyn OnBehalfOf) -> Result<Credentials> {
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
            let alg = alg.as_deref();
            let assertion = certificate_assertion(client, private_key_pem, certificate_pem, alg)?;
            credentials.assertion(assertion);
        }
        ClientAuth::HostAssertion => credentials.assertion(host.client_assertion().await?),
    }
    Ok(credentials)
}

impl Credentials {
    fn assertion(&mut self, assertion: Secret) {
        self.form.extend([
            ("client_assertion_type", CLIENT_ASSERTION_TYPE.to_owned()),
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

/// `private_key_jwt`, with what Entra asks for on top.
fn certificate_assertion(
    client: &OpenIdClient,
    key: &Secret,
    certificate: &str,
    alg: Option<&str>,
) -> Result<Secret> {
    let alg = alg.unwrap_or("PS256");
    if !matches!(alg, "PS256" | "RS256") {
        return Err(unusable("clientAuth.alg must be PS256 or RS256"));
    }
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|_| unusable("clientAuth.certificatePem holds no PEM certificate"))?;
    // The provider knows the certificate by it (RFC 7515, section 4.1.8).
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    let header = Map::from_iter([("x5t#S256".to_owned(), Value::from(thumbprint))]);
    SigningKey::from_pem(key, Some(alg))
        .and_then(|key| key.client_assertion(header, &client.client_id, &client.token_endpoint))
        .map_err(|error| unusable(&format!("clientAuth.privateKeyPem {}", error.message)))
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
        let client = OpenIdClient {
            issuer: None,
            token_endpoint: "https://as.test/token".to_owned(),
            client_id: "c".to_owned(),
            client_auth: ClientAuth::None,
        };
        let certificate = rcgen::generate_simple_self_signed([]).unwrap();
        let (pem, elliptic) = (
            certificate.cert.pem(),
            certificate.signing_key.serialize_pem(),
        );
        for (key, certificate, alg, expected) in [
            ("", "", Some("HS256"), "clientAuth.alg must"),
            ("", "hunter2", None, "clientAuth.certificatePem holds no"),
            ("hunter2", &pem, None, "clientAuth.privateKeyPem holds no"),
            (
                &elliptic,
                &pem,
                None,
                "clientAuth.privateKeyPem holds a key that signs with ES256",
            ),
        ] {
            let error =
                certificate_assertion(&client, &Secret::from(key), certificate, alg).unwrap_err();
            assert!(error.message.starts_with(expected), "{error}");
            assert!(!error.message.contains("hunter2"));
            let failure = error.obo.unwrap();
            assert_eq!(failure.detail, Some(OboDetail::ClientCredentials));
        }
    }
}
