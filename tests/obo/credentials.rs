//! How the client proves itself.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use librechat_mcp_native::error::OboDetail;
use librechat_mcp_native::host::ClientAuth;
use librechat_mcp_native::secret::Secret;
use ring::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::host::{Parts, client, host};
use super::idp::{Idp, TokenRequest, error, token};
use super::{exchange, obo};

/// Made for these tests, and known to nobody else: `openssl req -x509 -newkey rsa:2048`.
const KEY: &str = include_str!("keys/client.key");
const PKCS1_KEY: &str = include_str!("keys/client-pkcs1.key");
const CERTIFICATE: &str = include_str!("keys/client.crt");
/// `openssl x509 -outform der | openssl dgst -sha256 -binary`, in base64url.
const THUMBPRINT: &str = include_str!("keys/client.crt.sha256");

/// The requests of one exchange that is refused once.
async fn requests(auth: ClientAuth) -> (Idp, Vec<TokenRequest>) {
    let idp = Idp::start(Duration::ZERO, |_, number| match number {
        1 => error(
            503,
            "temporarily_unavailable",
            90033,
            &serde_json::json!({}),
        ),
        _ => token("t", 3600),
    })
    .await;
    let mut parts = Parts::new(&idp.endpoint);
    parts.client = Some(client(&idp.endpoint, auth));
    let (host, _) = host(&Arc::new(parts), None);
    exchange(&obo(), &host, 1).await.unwrap();
    let requests = idp.requests();
    for request in &requests {
        assert_eq!(
            request.field("grant_type"),
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        );
        assert_eq!(request.field("requested_token_use"), "on_behalf_of");
        assert_eq!(request.field("scope"), super::SCOPES);
        assert_eq!(request.field("client_id"), "client-1");
        assert!(
            request
                .field("assertion")
                .contains("federated-token-of-user-1")
        );
        assert_eq!(
            request.header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert!(request.head.starts_with("POST /token HTTP/1.1"));
    }
    (idp, requests)
}

#[tokio::test]
async fn secrets() {
    let secret = || Secret::from("s3cret:/+ä");
    let (_, sent) = requests(ClientAuth::SecretPost(secret())).await;
    assert_eq!(sent[0].field("client_secret"), "s3cret:/+ä");
    assert_eq!(sent[0].header("authorization"), None);

    let (_, sent) = requests(ClientAuth::SecretBasic(secret())).await;
    assert_eq!(sent[0].field("client_secret"), "");
    let header = sent[0].header("authorization").unwrap();
    let pair = base64::engine::general_purpose::STANDARD
        .decode(header.strip_prefix("Basic ").unwrap())
        .unwrap();
    assert_eq!(pair, b"client-1:s3cret%3A%2F%2B%C3%A4");

    let (_, sent) = requests(ClientAuth::None).await;
    assert_eq!(
        (
            sent[0].field("client_secret"),
            sent[0].header("authorization")
        ),
        ("", None)
    );
}

#[tokio::test]
async fn assertions_of_the_host_are_made_anew() {
    let (_, sent) = requests(ClientAuth::HostAssertion).await;
    let assertions: Vec<_> = sent
        .iter()
        .map(|request| request.field("client_assertion"))
        .collect();
    assert_eq!(
        assertions,
        ["assertion-of-the-host-1", "assertion-of-the-host-2"]
    );
    assert_eq!(
        sent[0].field("client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
}

#[tokio::test]
async fn certificates() {
    for (key, alg, expected) in [
        (KEY, None, "PS256"),
        (KEY, Some("PS256"), "PS256"),
        (KEY, Some("RS256"), "RS256"),
        (PKCS1_KEY, None, "PS256"),
    ] {
        let (idp, sent) = requests(ClientAuth::Certificate {
            private_key_pem: Secret::from(key),
            certificate_pem: CERTIFICATE.to_owned(),
            alg: alg.map(str::to_owned),
        })
        .await;
        let mut ids = Vec::new();
        for request in &sent {
            let (header, claims) = verified(request.field("client_assertion"), expected);
            assert_eq!(header["alg"], expected);
            assert_eq!(header["x5t#S256"], THUMBPRINT.trim());
            assert_eq!(claims["aud"], idp.endpoint.as_str());
            assert_eq!(
                (&claims["iss"], &claims["sub"]),
                (&"client-1".into(), &"client-1".into())
            );
            let lifetime = claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
            assert_eq!(lifetime, 300);
            ids.push(claims["jti"].as_str().unwrap().to_owned());
        }
        assert_ne!(ids[0], ids[1]);
    }
}

/// Header and claims of a JWT that our key signed.
fn verified(jwt: &str, alg: &str) -> (Value, Value) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let algorithm: &'static dyn VerificationAlgorithm = match alg {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    };
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(algorithm, key.public_key().as_ref())
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let part = |index| -> Value {
        let part: &str = signed.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

#[tokio::test]
async fn unusable_credentials_send_nothing() {
    let idp = Idp::start(Duration::ZERO, |_, _| token("t", 3600)).await;
    for (key, certificate) in [
        ("nonsense", CERTIFICATE),
        (KEY, "nonsense"),
        (CERTIFICATE, KEY),
    ] {
        let mut parts = Parts::new(&idp.endpoint);
        parts.client = Some(client(
            &idp.endpoint,
            ClientAuth::Certificate {
                private_key_pem: Secret::from(key),
                certificate_pem: certificate.to_owned(),
                alg: None,
            },
        ));
        let (host, _) = host(&Arc::new(parts), None);
        let failed = exchange(&obo(), &host, 1).await.unwrap_err();
        assert_eq!(
            failed.obo.unwrap().detail,
            Some(OboDetail::ClientCredentials)
        );
        assert!(!failed.retryable);
    }
    assert_eq!(idp.count(), 0);
}
