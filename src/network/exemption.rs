//! `allowedAddresses`: private places an operator has opened, each as one pair of host and port.

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

use super::address::is_private_address;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Name(String),
    Address(IpAddr),
}

/// The usable entries of `allowedAddresses`, in order. Each connection keeps them, so they are no tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Exemptions(Box<[(Place, u16)]>);

impl Exemptions {
    /// Entries that are no `host:port` pair of private space are left out, as in the reference: a bare host would
    /// open every port, and a public address needs no exemption.
    pub fn new(entries: &[String]) -> Self {
        let mut usable: Vec<_> = entries.iter().filter_map(|entry| parse(entry)).collect();
        usable.sort_unstable();
        usable.dedup();
        Self(usable.into_boxed_slice())
    }

    fn contains(&self, place: Place, port: u16) -> bool {
        self.0.binary_search(&(place, port)).is_ok()
    }

    pub fn permit_host(&self, host: &Host<&str>, port: u16) -> bool {
        match host {
            Host::Domain(name) => self.permit_name(name, port),
            Host::Ipv4(ip) => self.permit_address((*ip).into(), port),
            Host::Ipv6(ip) => self.permit_address((*ip).into(), port),
        }
    }

    pub fn permit_name(&self, name: &str, port: u16) -> bool {
        !self.0.is_empty() && self.contains(Place::Name(normalize_name(name)), port)
    }

    pub fn permit_address(&self, ip: IpAddr, port: u16) -> bool {
        self.contains(Place::Address(ip.to_canonical()), port)
    }
}

/// Lower case, without the dot that marks a name as absolute.
pub(super) fn normalize_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn parse(entry: &str) -> Option<(Place, u16)> {
    if entry.contains('/') || entry.contains(char::is_whitespace) {
        return None;
    }
    let (host, port) = entry.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let place = if let Some(literal) = host.strip_prefix('[') {
        let ip: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
        private(ip.into())?
    } else if host.is_empty() || host.contains(':') {
        return None;
    } else if let Ok(ip) = host.parse() {
        private(IpAddr::V4(ip))?
    } else {
        Place::Name(normalize_name(host))
    };
    Some((place, port))
}

fn private(ip: IpAddr) -> Option<Place> {
    is_private_address(ip).then(|| Place::Address(ip.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(entry: &str, host: &str, port: u16) -> bool {
        let exemptions = Exemptions::new(&[entry.to_owned()]);
        exemptions.permit_host(&Host::parse(host).unwrap().as_ref_str(), port)
    }

    trait AsRefStr {
        fn as_ref_str(&self) -> Host<&str>;
    }

    impl AsRefStr for Host<String> {
        fn as_ref_str(&self) -> Host<&str> {
            match self {
                Self::Domain(name) => Host::Domain(name),
                Self::Ipv4(ip) => Host::Ipv4(*ip),
                Self::Ipv6(ip) => Host::Ipv6(*ip),
            }
        }
    }

    #[test]
    fn exactly_the_pair() {
        for (entry, host, port, expected) in [
            ("127.0.0.1:3000", "127.0.0.1", 3000, true),
            ("127.0.0.1:3000", "127.0.0.1", 3001, false),
            ("127.0.0.1:3000", "127.0.0.2", 3000, false),
            ("127.0.0.1:3000", "localhost", 3000, false),
            ("LOCALHOST:3000", "localhost", 3000, true),
            ("localhost:3000", "localhost.", 3000, true),
            ("localhost:03000", "localhost", 3000, true),
            ("[::1]:3000", "[::1]", 3000, true),
            ("[0:0:0:0:0:0:0:1]:3000", "[::1]", 3000, true),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1", 80, true),
            ("mcp.example.com:443", "mcp.example.com", 443, true),
            ("127.0.0.1", "127.0.0.1", 80, false),
            ("[::1]", "[::1]", 80, false),
            ("::1:80", "[::1]", 80, false),
            ("http://127.0.0.1:80", "127.0.0.1", 80, false),
            ("127.0.0.0/8:80", "127.0.0.1", 80, false),
            (" 127.0.0.1:80", "127.0.0.1", 80, false),
            ("127.0.0.1:80\t", "127.0.0.1", 80, false),
            ("127.0.0.1:0", "127.0.0.1", 0, false),
            ("127.0.0.1:+80", "127.0.0.1", 80, false),
            ("127.0.0.1:65536", "127.0.0.1", 0, false),
            ("8.8.8.8:53", "8.8.8.8", 53, false),
            ("[2606:4700::1]:443", "[2606:4700::1]", 443, false),
            ("", "127.0.0.1", 80, false),
            (":80", "127.0.0.1", 80, false),
        ] {
            assert_eq!(
                permits(entry, host, port),
                expected,
                "{entry} for {host}:{port}"
            );
        }
    }
}
