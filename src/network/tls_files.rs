//! Certificates and keys of one server, read from PEM texts and files.

use std::borrow::Cow;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::tls_options::{TlsOptions, TlsSource};
use crate::digest::{Digest, Parts};
use crate::error::{Error, Result};
use crate::file_stamp::FileStamp;
use crate::secret::Secret;
use crate::secret_file::{UNSET, unread};

/// More than any chain of certificates needs.
const MOST_BYTES: u64 = 1024 * 1024;
const BEGIN: &str = "-----BEGIN ";
/// What the header of an encrypted key has, in either of its forms (RFC 7468, section 11; RFC 1421).
const ENCRYPTED: [&str; 2] = ["-----BEGIN ENCRYPTED", "Proc-Type: 4,ENCRYPTED"];

/// What the files look like now; `None` for a text, and for a file that is not there.
pub(super) fn stamps(options: &TlsOptions) -> [Option<FileStamp>; 3] {
    [&options.ca, &options.cert, &options.key].map(|source| {
        let path = source.as_ref()?.expose();
        (!is_pem(path)).then(|| FileStamp::of(Path::new(path)))?
    })
}

/// Certificates and key of one server. Those of equal texts are equal.
#[derive(Debug)]
pub(super) struct Material {
    pub authorities: Vec<CertificateDer<'static>>,
    pub identity: Option<Arc<Identity>>,
    digest: Digest,
}

impl Material {
    /// Blocks on the file system.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), naming server, member, file and fault.
    pub fn read(source: &TlsSource) -> Result<Self> {
        let options = &source.options;
        let ca = Member::read(source, "ca", options.ca.as_ref())?;
        let cert = Member::read(source, "cert", options.cert.as_ref())?;
        let key = Member::read(source, "key", options.key.as_ref())?;
        let mut parts = Parts::of("tls");
        for member in [&ca, &cert, &key] {
            let text = member.as_ref().map(|member| member.text.as_bytes());
            parts.add(text.unwrap_or_default());
        }
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some(Arc::new(Identity::new(&cert, &key)?)),
            (None, None) => None,
            (Some(cert), None) => return Err(cert.wrong("needs `tls.key`")),
            (None, Some(key)) => return Err(key.wrong("needs `tls.cert`")),
        };
        Ok(Self {
            authorities: ca
                .map(|ca| ca.certificates())
                .transpose()?
                .unwrap_or_default(),
            identity,
            digest: parts.digest(),
        })
    }
}

impl PartialEq for Material {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Material {}

impl Hash for Material {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest.hash(hasher);
    }
}

/// A client certificate with its key.
#[derive(Debug)]
pub(super) struct Identity {
    key: Arc<CertifiedKey>,
    was_asked_for: AtomicBool,
    was_taken: AtomicBool,
}

impl Identity {
    fn new(cert: &Member<'_>, key: &Member<'_>) -> Result<Self> {
        if ENCRYPTED.iter().any(|header| key.text.contains(header)) {
            return Err(key.wrong("is encrypted: write it without a passphrase (`openssl pkey`)"));
        }
        let read = PrivateKeyDer::from_pem_slice(key.text.as_bytes());
        let read = read.map_err(|_| key.wrong("holds no private key in PEM"))?;
        let usable = ring::sign::any_supported_type(&read).map_err(|_| {
            key.wrong("is of no kind that TLS can use: RSA from 2048 bits, P-256, P-384, Ed25519")
        })?;
        let certified = CertifiedKey::new(cert.certificates()?, usable);
        certified
            .keys_match()
            .map_err(|_| key.wrong("is not the key of the first certificate in `tls.cert`"))?;
        Ok(Self {
            key: Arc::new(certified),
            was_asked_for: AtomicBool::new(false),
            was_taken: AtomicBool::new(false),
        })
    }

    /// The server has answered to it.
    pub fn taken(&self) {
        self.was_taken.store(true, Ordering::Relaxed);
    }

    /// Whether the server has asked for a certificate and never answered since: one that does not like it may end the
    /// connection without a word.
    pub fn is_in_doubt(&self) -> bool {
        self.was_asked_for.load(Ordering::Relaxed) && !self.was_taken.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked_for.store(true, Ordering::Relaxed);
        Some(Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a member of `tls` holds.
struct Member<'a> {
    of: &'a TlsSource,
    name: &'static str,
    file: Option<&'a str>,
    text: Cow<'a, str>,
}

impl<'a> Member<'a> {
    fn read(
        of: &'a TlsSource,
        name: &'static str,
        source: Option<&'a Secret>,
    ) -> Result<Option<Self>> {
        let Some(source) = source.map(Secret::expose) else {
            return Ok(None);
        };
        let mut member = Self {
            of,
            name,
            file: None,
            text: Cow::Borrowed(source),
        };
        if is_pem(source) {
            return Ok(Some(member));
        }
        // A key without its PEM lines is no path either, and must not be told.
        if source.contains("${") {
            return Err(member.wrong(UNSET));
        }
        if source.contains('\n') || !(Path::new(source).is_absolute() || source.contains('.')) {
            return Err(member.wrong("is neither PEM nor the path of a file"));
        }
        member.text = Cow::Owned(text_of(source).map_err(|error| {
            let problem = match error.kind() {
                ErrorKind::NotFound => "does not exist".to_owned(),
                ErrorKind::PermissionDenied => "may not be read by this process".to_owned(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => "is no PEM file".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            member.wrong(&unread(source, &problem))
        })?);
        member.file = Some(source);
        Ok(Some(member))
    }

    fn wrong(&self, what: &str) -> Error {
        let file = self.file.map(|file| format!("({file}) "));
        let what = format!("{}{what}", file.unwrap_or_default());
        self.of.wrong(self.name, &what)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let read = CertificateDer::pem_slice_iter(self.text.as_bytes()).collect::<Result<_, _>>();
        let read: Vec<_> = read.map_err(|_| self.wrong("is PEM that is damaged"))?;
        if read.is_empty() {
            return Err(self.wrong("holds no certificate in PEM"));
        }
        let is_readable = |it: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(it).is_ok();
        if !read.iter().all(is_readable) {
            return Err(self.wrong("holds a certificate that cannot be read"));
        }
        Ok(read)
    }
}

fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

fn text_of(path: &str) -> io::Result<String> {
    // To open a pipe is to wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    File::open(path)?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
