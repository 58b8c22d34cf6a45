//! TLS: whom to trust.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_native_certs::CertificateResult;

use super::served::Verifier;
use super::tls_files::Material;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::lru_map::LruMap;

const EXTRA_CA_CERTS: &str = "NODE_EXTRA_CA_CERTS";
const CERT_FILE: &str = "SSL_CERT_FILE";
const REJECT_UNAUTHORIZED: &str = "NODE_TLS_REJECT_UNAUTHORIZED";

/// What the environment says about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TlsSettings {
    extra_ca_certs: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    /// Whether certificates are verified.
    pub verify: bool,
}

impl TlsSettings {
    pub fn new(environment: &Environment) -> Self {
        let path = |name| {
            environment
                .get(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            extra_ca_certs: path(EXTRA_CA_CERTS),
            cert_file: path(CERT_FILE),
            verify: environment.get(REJECT_UNAUTHORIZED).as_deref() != Some("0"),
        }
    }

    /// The configuration for these settings, with what one server has of its own. What the environment names is read once
    /// per process. Blocks on the file system the first time.
    pub fn client_config(&self, own: Option<&Material>) -> Result<ClientConfig> {
        /// A process has one environment; the bound is for hosts that change it.
        static CONFIGS: LazyLock<LruMap<TlsSettings, ClientConfig>> =
            LazyLock::new(|| LruMap::new(8));
        match own {
            Some(own) => build(&*self.trust()?, Some(own)),
            None => CONFIGS.get_or_make(self, || build(&*self.trust()?, None)),
        }
    }

    fn trust(&self) -> Result<Arc<Trust>> {
        static TRUSTED: LazyLock<LruMap<TlsSettings, Arc<Trust>>> =
            LazyLock::new(|| LruMap::new(8));
        TRUSTED.get_or_make(self, || self.load().map(Arc::new))
    }

    fn load(&self) -> Result<Trust> {
        if !self.verify {
            return Ok(Trust::Anybody);
        }
        let mut roots = RootCertStore::empty();
        let system = system_roots();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            // Slim images come without certificates; Node brings its own, and so do we.
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let mut named = Vec::new();
        for (variable, path) in [
            (EXTRA_CA_CERTS, &self.extra_ca_certs),
            (CERT_FILE, &self.cert_file),
        ] {
            if let Some(path) = path {
                named.extend(read_certificates(variable, path)?);
            }
        }
        roots.add_parsable_certificates(named.iter().cloned());
        Ok(Trust::Roots { roots, named })
    }
}

/// A configuration that trusts nobody, for clients that only ever speak plain HTTP: it costs no file access.
pub(super) fn plaintext_config() -> Result<ClientConfig> {
    build(&Trust::Nobody, None)
}

enum Trust {
    Roots {
        roots: RootCertStore,
        /// Those that the operator names.
        named: Vec<CertificateDer<'static>>,
    },
    Nobody,
    Anybody,
}

fn build(trust: &Trust, own: Option<&Material>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match trust {
        Trust::Nobody => builder.with_root_certificates(RootCertStore::empty()),
        Trust::Roots { roots, named } => {
            let (mut roots, mut named) = (roots.clone(), named.clone());
            if let Some(own) = own {
                roots.add_parsable_certificates(own.authorities.iter().cloned());
                named.extend(own.authorities.iter().cloned());
            }
            let verifier =
                Verifier::new(roots, named, provider).map_err(|error| unusable(&error))?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAll(provider))),
    };
    Ok(match own.and_then(|own| own.identity.clone()) {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    })
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Internal, format!("TLS cannot be set up: {error}"))
}

/// The system's own roots. `SSL_CERT_FILE` would replace them in `load_native_certs`; here, as for Node's own list,
/// it adds to them, and its value comes from the host's environment rather than from `getenv`.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_roots() -> CertificateResult {
    let mut found = CertificateResult::default();
    for directory in openssl_probe::candidate_cert_dirs() {
        let loaded = rustls_native_certs::load_certs_from_paths(None, Some(directory));
        found.certs.extend(loaded.certs);
    }
    if found.certs.is_empty() {
        return rustls_native_certs::load_native_certs();
    }
    found
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn system_roots() -> CertificateResult {
    rustls_native_certs::load_native_certs()
}

fn read_certificates(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unusable = |why: &dyn std::fmt::Display| {
        Error::invalid_config(format!(
            "The CA file {} named in {variable} cannot be used: {why}",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable(&error))?;
    if certificates.is_empty() {
        return Err(unusable(&"it holds no certificate"));
    }
    Ok(certificates)
}

/// `NODE_TLS_REJECT_UNAUTHORIZED=0`. Handshake signatures still have to fit the certificate, as in Node.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_files_are_named() {
        let empty = std::env::temp_dir().join(format!("empty-{:x}.pem", rand::random::<u64>()));
        std::fs::write(&empty, "no certificate").unwrap();
        for (variable, path) in [
            (EXTRA_CA_CERTS, Path::new("/nonexistent/ca.pem")),
            (CERT_FILE, Path::new("/nonexistent/ca.pem")),
            (EXTRA_CA_CERTS, &empty),
        ] {
            let environment = Environment::from([(variable, path.to_str().unwrap())]);
            let error = TlsSettings::new(&environment)
                .client_config(None)
                .unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains(variable), "{error}");
        }
        std::fs::remove_file(&empty).unwrap();
    }

    #[test]
    fn only_node_s_own_switch_disables_verification() {
        for (value, verify) in [("0", false), ("1", true), ("", true), ("false", true)] {
            let environment = Environment::from([(REJECT_UNAUTHORIZED, value)]);
            assert_eq!(TlsSettings::new(&environment).verify, verify, "{value:?}");
        }
        assert!(TlsSettings::new(&Environment::default()).verify);
    }
}
