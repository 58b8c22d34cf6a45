//! Judging one host or address.

use std::net::IpAddr;
use std::sync::Arc;

use url::Host;

use super::address::is_private_address;
use super::exemption::{Exemptions, normalize_name};
use crate::error::{Code, Error, Result};

/// Names under which services of LibreChat's own network answer; the reference's list.
const INTERNAL_NAMES: [&str; 25] = [
    "rag_api",
    "rag-api",
    "api",
    "redis",
    "mongodb",
    "mongo",
    "postgres",
    "postgresql",
    "mysql",
    "database",
    "db",
    "elasticsearch",
    "kibana",
    "grafana",
    "prometheus",
    "rabbitmq",
    "kafka",
    "zookeeper",
    "consul",
    "vault",
    "etcd",
    "minio",
    "internal",
    "backend",
    "metadata",
];

/// What connections of one kind may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum AddressRule {
    /// Anything.
    Open,
    /// Public addresses and these exemptions.
    Judged(Arc<Exemptions>),
}

impl AddressRule {
    /// Whether this host and port need no judgement.
    pub fn exempts(&self, host: &Host<&str>, port: u16) -> bool {
        match self {
            Self::Open => true,
            Self::Judged(exemptions) => exemptions.permit_host(host, port),
        }
    }

    /// Judges what can be known without resolving: literals and blocked names.
    pub fn check_host(&self, host: &Host<&str>, port: u16) -> Result<()> {
        let Self::Judged(exemptions) = self else {
            return Ok(());
        };
        let blocked = match host {
            Host::Domain(name) => is_blocked_name(name),
            Host::Ipv4(ip) => is_private_address((*ip).into()),
            Host::Ipv6(ip) => is_private_address((*ip).into()),
        };
        if blocked && !exemptions.permit_host(host, port) {
            return Err(refused(format!(
                "\"{host}\" is a private or reserved address"
            )));
        }
        Ok(())
    }

    /// Judges what a name resolved to. One bad address refuses them all, since any of them may be connected to.
    pub fn check_resolved(&self, name: &str, port: u16, addresses: &[IpAddr]) -> Result<()> {
        let Self::Judged(exemptions) = self else {
            return Ok(());
        };
        if exemptions.permit_name(name, port) {
            return Ok(());
        }
        match addresses
            .iter()
            .find(|ip| is_private_address(**ip) && !exemptions.permit_address(**ip, port))
        {
            Some(ip) => Err(refused(format!("{name} resolved to blocked address {ip}"))),
            None => Ok(()),
        }
    }
}

pub(super) fn refused(what: impl AsRef<str>) -> Error {
    Error::new(
        Code::AddressNotAllowed,
        format!("SSRF protection: {}", what.as_ref()),
    )
}

fn is_blocked_name(name: &str) -> bool {
    let name = normalize_name(name);
    name == "localhost"
        || name == "localhost.localdomain"
        || [".localhost", ".internal", ".local"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
        || INTERNAL_NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_names() {
        for name in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "localhost.localdomain",
            "a.localhost",
            "a.localhost.",
            "rag_api",
            "metadata",
            "redis.",
            "metadata.google.internal",
            "host.docker.internal",
            "printer.local",
        ] {
            assert!(is_blocked_name(name), "{name}");
        }
        for name in [
            "example.com",
            "api.example.com",
            "localhost.example.com",
            "internal.example.com",
            "local",
            "notlocalhost",
        ] {
            assert!(!is_blocked_name(name), "{name}");
        }
    }

    #[test]
    fn one_bad_address_refuses_all() {
        let rule = AddressRule::Judged(Arc::new(Exemptions::new(&[
            "good.test:80".to_owned(),
            "10.0.0.1:80".to_owned(),
        ])));
        let mixed = [
            "93.184.216.34".parse().unwrap(),
            "10.0.0.2".parse().unwrap(),
        ];
        let error = rule.check_resolved("bad.test", 80, &mixed).unwrap_err();
        assert_eq!(error.code, Code::AddressNotAllowed);
        assert_eq!(
            error.message,
            "SSRF protection: bad.test resolved to blocked address 10.0.0.2"
        );
        assert!(rule.check_resolved("good.test", 80, &mixed).is_ok());
        assert!(rule.check_resolved("good.test", 81, &mixed).is_err());
        let exempt = ["10.0.0.1".parse().unwrap()];
        assert!(rule.check_resolved("bad.test", 80, &exempt).is_ok());
        assert!(rule.check_resolved("bad.test", 443, &exempt).is_err());
    }
}
