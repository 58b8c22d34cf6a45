//! What a config says of a server's TLS.

use crate::error::Error;
use crate::secret::Secret;

/// `tls` of a config, with variables filled in. The first three are PEM texts, or paths of files with one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Certificates that are trusted on top of those of the system and the environment.
    pub ca: Option<Secret>,
    /// The client certificate, and those between it and its authority.
    pub cert: Option<Secret>,
    pub key: Option<Secret>,
    /// The host name that the server's certificate is for.
    pub server_name: Option<String>,
}

/// The same, and whose it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TlsSource {
    /// What errors call the server.
    pub server: String,
    pub options: TlsOptions,
}

impl TlsSource {
    pub fn wrong(&self, member: &str, what: &str) -> Error {
        self.error(&format!("`tls.{member}` {what}"))
    }

    pub fn error(&self, what: &str) -> Error {
        Error::invalid_config(format!("MCP server \"{}\": {what}", self.server))
    }
}
