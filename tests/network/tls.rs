//! Certificates and protocol negotiation.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::Environment;
use librechat_mcp_native::network::{HttpClient, verification_warning};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, ok};
use crate::{get, open};

/// A certificate for `localhost` that only its own file vouches for.
pub struct Authority {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
    pub file: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::of(
            name,
            &CertificateParams::new(["localhost".to_owned()]).unwrap(),
        )
    }

    pub fn of(name: &str, params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = std::env::temp_dir().join(format!("{name}-{}.pem", std::process::id()));
        std::fs::write(&file, certificate.pem()).unwrap();
        Self {
            certificate: certificate.der().clone(),
            key: key.into(),
            file,
        }
    }

    /// As `openssl req -x509` makes it: a server's certificate that is marked as an authority's.
    fn marked(name: &str, names: &[&str], common_name: &str) -> Self {
        let mut params =
            CertificateParams::new(names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
                .unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        Self::of(name, &params)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Remembers which protocols the client offered.
#[derive(Debug)]
struct Offers {
    key: Arc<CertifiedKey>,
    alpn: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl ResolvesServerCert for Offers {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *self.alpn.lock().unwrap() = hello
            .alpn()
            .into_iter()
            .flatten()
            .map(<[u8]>::to_vec)
            .collect();
        Some(Arc::clone(&self.key))
    }
}

async fn start(authority: &Authority) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let provider = Arc::new(ring::default_provider());
    let key = CertifiedKey::from_der(
        vec![authority.certificate.clone()],
        authority.key.clone_key(),
        &provider,
    )
    .unwrap();
    let alpn = Arc::default();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Offers {
            key: Arc::new(key),
            alpn: Arc::clone(&alpn),
        }));
    let server =
        Server::start_with(|_| ok("secure"), Some(TlsAcceptor::from(Arc::new(config)))).await;
    (format!("https://localhost:{}/", server.port()), alpn)
}

#[tokio::test]
async fn trust_comes_from_the_environment() {
    let authority = Authority::new("trust");
    let other = Authority::new("other");
    let (url, _) = start(&authority).await;
    let client = HttpClient::new();
    let file = authority.file.to_str().unwrap();
    for environment in [
        Environment::from([("NODE_EXTRA_CA_CERTS", file)]),
        Environment::from([("SSL_CERT_FILE", file)]),
        Environment::from([("NODE_TLS_REJECT_UNAUTHORIZED", "0")]),
    ] {
        let policy = open(&environment);
        let disabled = environment.get("NODE_TLS_REJECT_UNAUTHORIZED").is_some();
        assert_eq!(verification_warning(&environment).is_some(), disabled);
        let response = client.send(&policy, get(&url)).await.unwrap();
        assert_eq!(response.bytes(0).await.unwrap(), "secure");
    }

    // Trust of one environment does not carry over to another through kept connections.
    let environment = Environment::from([("NODE_EXTRA_CA_CERTS", other.file.to_str().unwrap())]);
    let error = client
        .send(&open(&environment), get(&url))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
    assert!(!error.retryable, "trying again does not help: {error}");
    assert!(error.message.contains("certificate"), "{error}");

    let file = "/nonexistent/ca.pem";
    let environment = Environment::from([("NODE_EXTRA_CA_CERTS", file)]);
    let error = client
        .send(&open(&environment), get(&url))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.message.contains("NODE_EXTRA_CA_CERTS"), "{error}");
}

#[tokio::test]
async fn a_server_s_own_certificate_may_be_marked_as_an_authority_s() {
    let client = HttpClient::new();
    let there = ["localhost"];
    for (case, names, common_name, host, trusted) in [
        (
            "alternative name",
            &there[..],
            "other.test",
            "localhost",
            true,
        ),
        ("common name", &[], "LOCALHOST", "localhost", true),
        ("another common name", &[], "other.test", "localhost", false),
        (
            "part of a common name",
            &[],
            "localhost.test",
            "localhost",
            false,
        ),
        (
            "only an alternative name",
            &["other.test"],
            "localhost",
            "localhost",
            false,
        ),
        ("an address", &there, "127.0.0.1", "127.0.0.1", false),
        (
            "no common name of an address",
            &[],
            "127.0.0.1",
            "127.0.0.1",
            false,
        ),
    ] {
        let authority = Authority::marked(case, names, common_name);
        let (url, _) = start(&authority).await;
        let url = url.replace("localhost", host);
        let file = authority.file.to_str().unwrap();
        let policy = open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]));
        let answer = client.send(&policy, get(&url)).await;
        assert_eq!(answer.is_ok(), trusted, "{case}: {:?}", answer.err());

        let nothing = open(&Environment::default());
        assert!(client.send(&nothing, get(&url)).await.is_err(), "{case}");
    }
}

#[tokio::test]
async fn another_certificate_of_the_same_name_is_not_the_trusted_one() {
    let trusted = Authority::marked("trusted", &["localhost"], "localhost");
    let served = Authority::marked("served", &["localhost"], "localhost");
    let (url, _) = start(&served).await;
    let file = trusted.file.to_str().unwrap();
    let policy = open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]));
    let error = HttpClient::new()
        .send(&policy, get(&url))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
}

#[tokio::test]
async fn a_trusted_certificate_ends() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let authority = Authority::of("ended", &params);
    let (url, _) = start(&authority).await;
    let file = authority.file.to_str().unwrap();
    let policy = open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]));
    let error = HttpClient::new()
        .send(&policy, get(&url))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
}

#[tokio::test]
async fn the_name_must_fit() {
    let authority = Authority::new("name");
    let (url, _) = start(&authority).await;
    let file = authority.file.to_str().unwrap();
    let policy = open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]));
    let error = HttpClient::new()
        .send(&policy, get(&url.replace("localhost", "127.0.0.1")))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
    assert!(!error.retryable);
}

#[tokio::test]
async fn http_2_is_offered_unless_refused() {
    let authority = Authority::new("alpn");
    let (url, alpn) = start(&authority).await;
    let file = authority.file.to_str().unwrap();
    let policy = open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]));
    let client = HttpClient::new();
    for (http1_only, expected) in [(false, &["h2", "http/1.1"][..]), (true, &["http/1.1"])] {
        let mut request = get(&url);
        request.http1_only = http1_only;
        client.send(&policy, request).await.unwrap();
        let offered = alpn.lock().unwrap().clone();
        assert_eq!(
            offered,
            expected
                .iter()
                .map(|name| name.as_bytes())
                .collect::<Vec<_>>()
        );
    }
}
