//! Where a call may go, and how it gets there.

use std::sync::Arc;

use url::{Host, Url};

use super::NetworkRules;
use super::allowlist::{Allowlist, is_supported_scheme};
use super::exemption::Exemptions;
use super::proxy::{Proxies, ProxyUrl};
use super::rule::{AddressRule, refused};
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
        })))
    }

    /// The check before any request, without resolving names: scheme, allowlist, blocked names, literals and, behind
    /// a proxy, the target's form. Names are judged again when they are connected to.
    ///
    /// Fails with [`Code::InvalidConfig`] (scheme), [`Code::DomainNotAllowed`] or [`Code::AddressNotAllowed`].
    pub fn check_url(&self, url: &Url) -> Result<()> {
        self.route(url, Hop::Configured).map(drop)
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
        Ok(Route {
            rule,
            proxy,
            judge_before_proxy,
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

/// Whether `NODE_TLS_REJECT_UNAUTHORIZED=0` turned certificate verification off, so that the host can warn.
#[must_use]
pub fn verification_disabled(policy: &Policy) -> bool {
    !policy.tls().verify
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
mod tests {
    use super::*;

    fn rules(ssrf_protection: bool, domains: &[&str], addresses: &[&str]) -> NetworkRules {
        let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
        NetworkRules {
            ssrf_protection,
            allowed_domains: owned(domains),
            allowed_addresses: owned(addresses),
        }
    }

    fn code(policy: &Policy, url: &str) -> Option<Code> {
        policy
            .check_url(&Url::parse(url).unwrap())
            .err()
            .map(|error| error.code)
    }

    #[test]
    fn every_spelling_of_a_private_literal() {
        let policy = Policy::new(&rules(true, &[], &[]), &Environment::default(), None).unwrap();
        for url in [
            "http://127.0.0.1/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://１２７.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "ws://[::ffff:a9fe:a9fe]/",
            "wss://169.254.169.254/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://user:password@localhost/",
            "http://redis:6379/",
            "http://metadata.google.internal/",
        ] {
            assert_eq!(code(&policy, url), Some(Code::AddressNotAllowed), "{url}");
            let error = policy.check_url(&Url::parse(url).unwrap()).unwrap_err();
            assert!(error.message.starts_with("SSRF protection:"), "{error}");
        }
        for url in [
            "https://example.com/",
            "wss://1.1.1.1/",
            "http://[2606:4700::1]/",
        ] {
            assert_eq!(code(&policy, url), None, "{url}");
        }
        for url in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:,x",
            "unix:/run/x.sock",
        ] {
            assert_eq!(code(&policy, url), Some(Code::InvalidConfig), "{url}");
        }
    }

    #[test]
    fn allowlist_and_address_rules() {
        let none = Environment::default();
        let refused = Some(Code::AddressNotAllowed);
        let foreign = Some(Code::DomainNotAllowed);
        let listed = rules(false, &["localhost", "*.example.com"], &[]);
        let both = rules(true, &["localhost"], &[]);
        let both_exempt = rules(true, &["localhost"], &["localhost:3000"]);
        let open = rules(false, &[], &[]);
        for (rules, url, expected, oauth) in [
            (&listed, "http://localhost:3000/", None, None),
            (&listed, "https://a.example.com/", None, None),
            (&listed, "https://other.test/", foreign, None),
            (&listed, "http://127.0.0.1:3000/", foreign, refused),
            (&both, "http://localhost:3000/", refused, refused),
            (&both_exempt, "http://localhost:3000/", None, None),
            (&both_exempt, "http://127.0.0.1:3000/", foreign, refused),
            (&open, "http://127.0.0.1:3000/", None, refused),
        ] {
            let policy = Policy::new(rules, &none, None).unwrap();
            assert_eq!(code(&policy, url), expected, "{rules:?} {url}");
            let policy = Policy::oauth(rules, &none, None).unwrap();
            assert_eq!(code(&policy, url), oauth, "OAuth: {rules:?} {url}");
        }
        let policy = Policy::trusted(&none).unwrap();
        assert_eq!(code(&policy, "https://10.0.0.1/token"), None);
        let policy = Policy::new(&listed, &none, None).unwrap();
        let url = Url::parse("https://other.test:8443/path?key=hunter2").unwrap();
        assert_eq!(
            policy.check_url(&url).unwrap_err().message,
            "Domain \"https://other.test:8443\" is not allowed"
        );
    }

    #[test]
    fn redirected_hops_inherit_nothing() {
        for rules in [
            rules(true, &[], &["localhost:3000", "127.0.0.1:3000"]),
            rules(false, &["localhost", "127.0.0.1"], &["localhost:3000"]),
        ] {
            let policy = Policy::new(&rules, &Environment::default(), None).unwrap();
            for url in ["http://localhost:3000/", "http://127.0.0.1:3000/"] {
                let url = Url::parse(url).unwrap();
                assert!(policy.route(&url, Hop::Configured).is_ok());
                let error = policy.route(&url, Hop::Redirected).unwrap_err();
                assert_eq!(error.code, Code::AddressNotAllowed);
            }
            let url = Url::parse("ftp://example.com/").unwrap();
            let error = policy.route(&url, Hop::Redirected).unwrap_err();
            assert_eq!(error.code, Code::InvalidResponse);
        }
    }

    #[test]
    fn proxied_targets() {
        let environment = Environment::from([("PROXY", "http://proxy.test:3128")]);
        let policy = Policy::new(
            &rules(true, &[], &["mcp.example.com:443", "10.0.0.1:80"]),
            &environment,
            None,
        )
        .unwrap();
        for (url, expected) in [
            ("https://mcp.example.com/", None),
            (
                "https://mcp.example.com:8443/",
                Some(Code::AddressNotAllowed),
            ),
            ("https://1.1.1.1/", None),
            ("http://10.0.0.1/", None),
            ("http://10.0.0.2/", Some(Code::AddressNotAllowed)),
        ] {
            assert_eq!(code(&policy, url), expected, "{url}");
        }
        assert_eq!(
            policy
                .check_url(&Url::parse("https://other.test/").unwrap())
                .unwrap_err()
                .message,
            "SSRF protection: proxied MCP request target \"other.test\" must be an IP literal or an explicitly allowed host"
        );

        let listed = Policy::new(&rules(false, &["mcp.test"], &[]), &environment, None).unwrap();
        let url = Url::parse("https://mcp.test/").unwrap();
        assert!(
            !listed
                .route(&url, Hop::Configured)
                .unwrap()
                .judge_before_proxy
        );
        assert!(
            listed
                .route(&url, Hop::Redirected)
                .unwrap()
                .judge_before_proxy
        );
    }
}
