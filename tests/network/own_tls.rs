//! A server's own TLS: what is offered to whom, through which proxies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{HttpClient, Policy, ServerTls, TlsOptions};
use librechat_mcp_native::secret::Secret;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::server::{Server, ok};
use crate::tls::Authority;
use crate::{get, open};

/// Asks clients for a certificate, takes any, and counts them.
#[derive(Debug)]
struct Asking {
    provider: Arc<CryptoProvider>,
    seen: Arc<AtomicUsize>,
    is_mandatory: bool,
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A server with that certificate, and how many client certificates it has seen.
async fn start(authority: &Authority, is_mandatory: bool) -> (Server, Arc<AtomicUsize>) {
    let provider = Arc::new(ring::default_provider());
    let seen = Arc::default();
    let asking = Asking {
        provider: Arc::clone(&provider),
        seen: Arc::clone(&seen),
        is_mandatory,
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(asking))
        .with_single_cert(
            vec![authority.certificate.clone()],
            authority.key.clone_key(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start_with(|_| ok("secure"), Some(acceptor)).await;
    (server, seen)
}

/// Trusts this authority, and has a client certificate.
fn options(authority: &Authority) -> TlsOptions {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["client.test".to_owned()]).unwrap();
    let path = authority.file.to_str().unwrap();
    TlsOptions {
        ca: Some(Secret::from(path)),
        cert: Some(Secret::new(params.self_signed(&key).unwrap().pem())),
        key: Some(Secret::new(key.serialize_pem())),
        server_name: None,
    }
}

fn policy(
    url: &str,
    options: TlsOptions,
    environment: &Environment,
    proxy: Option<&str>,
) -> Policy {
    let tls = ServerTls::new("srv", options, &Url::parse(url).unwrap(), &[]).unwrap();
    let rules = NetworkRules {
        tls: Some(tls),
        ..NetworkRules::default()
    };
    Policy::new(&rules, environment, proxy).unwrap()
}

/// A proxy that makes tunnels, and how many it has made.
async fn tunnels() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let made = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&made);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap();
                let mut inner = TcpStream::connect(target).await.unwrap();
                let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
            });
        }
    });
    (url, made)
}

#[tokio::test]
async fn a_tunnel_ends_at_the_server() {
    let authority = Authority::new("tunnel");
    let (server, seen) = start(&authority, true).await;
    let url = format!("https://localhost:{}/", server.port());
    let (proxy, made) = tunnels().await;
    let policy = policy(
        &url,
        options(&authority),
        &Environment::default(),
        Some(&proxy),
    );
    let response = HttpClient::new().send(&policy, get(&url)).await.unwrap();
    assert_eq!(response.bytes(0).await.unwrap(), "secure");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn proxies_that_would_be_offered_it_or_another_name_are_refused() {
    let authority = Authority::new("proxies");
    let (proxy, seen) = start(&authority, false).await;
    let url = "https://mcp.test/";
    let named = TlsOptions {
        server_name: Some("other.test".to_owned()),
        ..options(&authority)
    };
    let secure = format!("https://localhost:{}", proxy.port());
    let plain = format!("http://localhost:{}", proxy.port());
    for (options, proxy, expected) in [
        (options(&authority), secure, "https:// URL"),
        (
            named,
            plain,
            "`tls.serverName` cannot be used through a proxy",
        ),
    ] {
        let policy = policy(url, options, &Environment::default(), Some(&proxy));
        let error = HttpClient::new().send(&policy, get(url)).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!((proxy.connections(), seen.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn nobody_else_is_offered_the_certificate() {
    let authority = Authority::new("nobody");
    let (server, seen) = start(&authority, false).await;
    let url = format!("https://localhost:{}/", server.port());
    let trusted = authority.file.to_str().unwrap();
    let environment = Environment::from([("NODE_EXTRA_CA_CERTS", trusted)]);
    let client = HttpClient::new();

    let other = policy(
        "https://other.test/",
        options(&authority),
        &environment,
        None,
    );
    client.send(&other, get(&url)).await.unwrap();
    let own = policy(&url, options(&authority), &environment, None);
    let mut elsewhere = get(&url);
    elsewhere.elsewhere = true;
    let error = client.send(&own, elsewhere).await.unwrap_err();
    assert_eq!(error.code, Code::AddressNotAllowed);
    assert_eq!(seen.load(Ordering::SeqCst), 0);

    // Nor does a request with it take the connection of one without.
    client.send(&own, get(&url)).await.unwrap();
    client.send(&other, get(&url)).await.unwrap();
    assert_eq!((seen.load(Ordering::SeqCst), server.connections()), (1, 2));
}

#[tokio::test]
async fn a_name_behind_an_address() {
    let params = CertificateParams::new(["inside.test".to_owned()]).unwrap();
    let authority = Authority::of("inside", &params);
    let (server, _) = start(&authority, true).await;
    let url = format!("https://{}/path", server.address);
    let named = TlsOptions {
        server_name: Some("inside.test".to_owned()),
        ..options(&authority)
    };
    let policy = policy(&url, named, &Environment::default(), None);
    let response = HttpClient::new().send(&policy, get(&url)).await.unwrap();
    assert_eq!(response.url.as_str(), url);
    assert_eq!(response.bytes(0).await.unwrap(), "secure");
    let received = server.received().pop().unwrap();
    assert_eq!(received.line, "GET /path HTTP/1.1");
    assert_eq!(received.header("host"), Some(&*server.address.to_string()));
}

#[tokio::test]
async fn certificates_before_their_time() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2090, 1, 2);
    params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    let authority = Authority::of("early", &params);
    let (server, _) = start(&authority, false).await;
    let url = format!("https://localhost:{}/", server.port());
    let policy = policy(&url, options(&authority), &Environment::default(), None);
    let error = HttpClient::new()
        .send(&policy, get(&url))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
    assert!(
        error.message.contains("not valid yet (before 2090-01-02)"),
        "{error}"
    );
    assert!(!error.retryable);
}

#[tokio::test]
async fn http_where_a_port_speaks_tls() {
    let authority = Authority::new("plain");
    let (server, _) = start(&authority, false).await;
    let url = format!("http://localhost:{}/", server.port());
    let policy = open(&Environment::default());
    let error = HttpClient::new()
        .send(&policy, get(&url))
        .await
        .unwrap_err();
    assert!(error.message.contains("write https://"), "{error}");
}
