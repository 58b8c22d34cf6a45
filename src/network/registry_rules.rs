//! What the registry says about addresses and domains.

use super::server_tls::ServerTls;

/// The registry's network rules: `shouldEnableSSRFProtection()`, `getAllowedDomains()`, `getAllowedAddresses()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkRules {
    pub ssrf_protection: bool,
    /// Patterns of LibreChat's allowlist (`example.com`, `*.example.com`, `https://example.com:443`).
    pub allowed_domains: Vec<String>,
    /// `host:port` or `[v6]:port` pairs of private space that are exempt from address checks.
    pub allowed_addresses: Vec<String>,
    /// The TLS of the server that they are asked for, where its config has one.
    pub tls: Option<ServerTls>,
}
