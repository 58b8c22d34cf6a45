//! Certificates that the operator trusts and that servers present as they are.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::tls_failure::SelfSigned;

/// Trusts roots, and self-signed certificates of servers themselves.
///
/// `openssl req -x509` marks the certificate of a server as one of an authority, which `webpki` refuses to take for a
/// server's, and Node accepts where the operator trusts that very certificate. So does this: same bytes, in their time,
/// and with the server's name.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// `named` are the operator's own certificates; `roots` has them too.
    pub fn new(
        roots: RootCertStore,
        named: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self {
            roots: roots.build()?,
            named,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = (self.roots).verify_server_cert(presented, chain, name, ocsp, now);
        match judged {
            // Its time has been judged before that.
            Err(error) if is_authority_s(&error) && self.named.contains(presented) => {
                check_name(presented, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Err(error) if is_authority_s(&error) || is_of_nobody(&error) => {
                Err(if is_self_signed(presented) {
                    let error = OtherError(Arc::new(SelfSigned));
                    Error::InvalidCertificate(CertificateError::Other(error))
                } else {
                    error
                })
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        (self.roots).verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        (self.roots).verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

/// Whether a certificate was refused because it is marked as one of an authority.
fn is_authority_s(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    let error = error.downcast_ref::<webpki::Error>();
    matches!(error, Some(webpki::Error::CaUsedAsEndEntity))
}

fn is_of_nobody(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::UnknownIssuer)
    )
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|it| it.issuer() == it.subject())
}

fn check_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
        // Without any alternative name, Node takes the common name.
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            ref presented,
            ..
        })) if presented.is_empty() && is_common_name(certificate, name) => Ok(()),
        judged => judged,
    }
}

fn is_common_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    /// `id-at-commonName`, with the tag and length of an object identifier (RFC 5280, appendix A).
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let (ServerName::DnsName(name), Ok(parsed)) = (name, EndEntityCert::try_from(certificate))
    else {
        return false;
    };
    let subject = parsed.subject();
    let before = |window: &[u8]| window == COMMON_NAME;
    let Some(start) = subject.windows(COMMON_NAME.len()).rposition(before) else {
        return false;
    };
    // The tag of a kind of text, its length, which fits one byte for every name of a host, and the text.
    match &subject[start + COMMON_NAME.len()..] {
        [_, length, text @ ..] => text
            .get(..usize::from(*length))
            .is_some_and(|text| text.eq_ignore_ascii_case(name.as_ref().as_bytes())),
        _ => false,
    }
}
