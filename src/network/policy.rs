//! Where a call may go, and how it gets there.

use std::sync::Arc;

use url::{Host, Url};

use super::NetworkRules;
use super::allowlist::{Allowlist, is_supported_scheme};
use super::exemption::Exemptions;
use super::proxy::{Proxies, ProxyUrl};
use super::rule::{AddressRule, refused};
use super::server_tls::ServerTls;
use super::tls::TlsSettings;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};

/// Environment variables that a [`Policy`] reads, for the host to copy.
pub const VARIABLES: &[&str] = &[
    "PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "NODE_TLS_REJECT_UNAUTHORIZED",
];

/// The compiled rules of one call: allowlist, address rules, proxies and TLS settings. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    audience: Audience,
    ssrf_protection: bool,
    allowlist: Allowlist,
    exemptions: Arc<Exemptions>,
    proxies: Proxies,
    tls: TlsSettings,
    server_tls: Option<ServerTls>,
}

/// Whose URLs a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// MCP servers, which the configuration names.
    Servers,
    /// Authorization servers, which MCP servers name.
    AuthorizationServers,
    /// The operator's identity provider.
    Operator,
}

/// Who chose the URL that is about to be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    Configured,
    /// A server's redirect to another origin, and all that follows it.
    Redirected,
}

/// How one origin is reached.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub rule: AddressRule,
    pub proxy: Option<ProxyUrl>,
    /// The proxy will resolve the name, so it must be resolved and judged here beforehand.
    pub judge_before_proxy: bool,
    /// The server's own, where this is an origin that its config names.
    pub tls: Option<ServerTls>,
    /// Whether `tls.serverName` of the config says whose certificate is expected there.
    pub takes_server_name: bool,
}

impl Policy {
    /// The rules for MCP servers. `server_proxy` is the server's own `proxy` option.
    ///
    /// Fails with [`Code::InvalidConfig`] when a proxy URL cannot be used; the message names the setting only.
    pub fn new(
        rules: &NetworkRules,
        environment: &Environment,
        server_proxy: Option<&str>,
    ) -> Result<Self> {
        Self::build(Audience::Servers, rules, environment, server_proxy)
    }

    /// The rules for the OAuth endpoints of MCP servers. The allowlist names MCP servers, so as in the reference an
    /// endpoint outside it is not refused but judged, without exemptions; without an allowlist, exemptions count.
    pub fn oauth(
        rules: &NetworkRules,
        environment: &Environment,
        server_proxy: Option<&str>,
    ) -> Result<Self> {
        Self::build(
            Audience::AuthorizationServers,
            rules,
            environment,
            server_proxy,
        )
    }

    /// The operator's own identity provider: no allowlist, no address rules. Proxies, TLS and limits hold.
    pub fn trusted(environment: &Environment) -> Result<Self> {
        Self::build(
            Audience::Operator,
            &NetworkRules::default(),
            environment,
            None,
        )
    }

    fn build(
        audience: Audience,
        rules: &NetworkRules,
        environment: &Environment,
        server_proxy: Option<&str>,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            audience,
            ssrf_protection: rules.ssrf_protection,
            allowlist: Allowlist::new(&rules.allowed_domains),
            exemptions: Arc::new(Exemptions::new(&rules.allowed_addresses)),
            proxies: Proxies::new(environment, server_proxy)?,
            tls: TlsSettings::new(environment),
            server_tls: rules.tls.clone(),
        })))
    }

    /// The check before any request, without resolving names: scheme, allowlist, blocked names, literals and, behind
    /// a proxy, the target's form. Names are judged again when they are connected to.
    ///
    /// Fails with [`Code::InvalidConfig`] (scheme), [`Code::DomainNotAllowed`] or [`Code::AddressNotAllowed`].
    pub fn check_url(&self, url: &Url) -> Result<()> {
        self.route(url, Hop::Configured).map(drop)
    }

    /// Which setting lets endpoints with private addresses be asked: an allowlist leaves exemptions without effect.
    #[must_use]
    pub fn allowing_setting(&self) -> &'static str {
        if self.0.allowlist.is_configured() {
            "mcpSettings.allowedDomains"
        } else {
            "mcpSettings.allowedAddresses"
        }
    }

    /// What an operator should hear about the files of the server's `tls`, once.
    #[must_use]
    pub fn tls_warning(&self) -> Option<String> {
        self.0.server_tls.as_ref()?.warning()
    }

    pub(super) fn tls(&self) -> &TlsSettings {
        &self.0.tls
    }

    pub(super) fn route(&self, url: &Url, hop: Hop) -> Result<Route> {
        let (true, Some(host), Some(port)) = (
            is_supported_scheme(url),
            url.host(),
            url.port_or_known_default(),
        ) else {
            return Err(unsupported(url, hop));
        };
        let rule = self.rule(url, hop)?;
        rule.check_host(&host, port)?;
        let proxy = self.0.proxies.of(url).cloned();
        let judge_before_proxy = proxy.is_some() && self.check_proxied(&rule, &host, port)?;
        let tls = self.0.server_tls.as_ref();
        let tls = tls.filter(|tls| hop == Hop::Configured && tls.is_for(url));
        let is_server = hop == Hop::Configured && self.0.audience == Audience::Servers;
        Ok(Route {
            rule,
            proxy,
            judge_before_proxy,
            tls: tls.cloned(),
            takes_server_name: tls.map_or(is_server, |tls| tls.is_own(url)),
        })
    }

    fn rule(&self, url: &Url, hop: Hop) -> Result<AddressRule> {
        let inner = &self.0;
        let with_exemptions = || AddressRule::Judged(Arc::clone(&inner.exemptions));
        let without_exemptions = || AddressRule::Judged(Arc::default());
        if hop == Hop::Redirected {
            return Ok(without_exemptions());
        }
        let listed = inner
            .allowlist
            .is_configured()
            .then(|| inner.allowlist.permits(url));
        match (inner.audience, listed) {
            (Audience::Operator, _) => Ok(AddressRule::Open),
            (Audience::Servers, Some(false)) => Err(Error::new(
                Code::DomainNotAllowed,
                format!(
                    "Domain \"{}\" is not allowed",
                    url.origin().ascii_serialization()
                ),
            )),
            (Audience::AuthorizationServers, Some(false)) => Ok(without_exemptions()),
            (Audience::AuthorizationServers, None) => Ok(with_exemptions()),
            (Audience::Servers, _) | (Audience::AuthorizationServers, Some(true)) => {
                Ok(if inner.ssrf_protection {
                    with_exemptions()
                } else {
                    AddressRule::Open
                })
            }
        }
    }

    /// A proxy connects to whatever it resolves a name to, which no check here can see. Answers whether the name must
    /// be judged beforehand for want of something better.
    fn check_proxied(&self, rule: &AddressRule, host: &Host<&str>, port: u16) -> Result<bool> {
        let Host::Domain(name) = host else {
            return Ok(false);
        };
        if rule.exempts(host, port) {
            return Ok(false);
        }
        if self.0.ssrf_protection {
            return Err(refused(format!(
                "proxied MCP request target \"{name}\" must be an IP literal or an explicitly allowed host"
            )));
        }
        Ok(true)
    }
}

/// Says so where `NODE_TLS_REJECT_UNAUTHORIZED=0` turns certificate verification off.
#[must_use]
pub fn verification_warning(environment: &Environment) -> Option<&'static str> {
    let is_off = !TlsSettings::new(environment).verify;
    is_off.then_some(
        "NODE_TLS_REJECT_UNAUTHORIZED is 0: TLS certificates are not verified, connections are insecure",
    )
}

fn unsupported(url: &Url, hop: Hop) -> Error {
    let code = match hop {
        Hop::Configured => Code::InvalidConfig,
        Hop::Redirected => Code::InvalidResponse,
    };
    Error::new(
        code,
        format!(
            "URLs with the scheme \"{}\" are not supported",
            url.scheme()
        ),
    )
}

#[cfg(test)]
mod tests;
