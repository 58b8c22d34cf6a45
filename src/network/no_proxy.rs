//! `no_proxy`: which targets are reached without a proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

/// A parsed `no_proxy` list, separated by commas or blanks: names (with everything below them, a leading `.` or `*.`
/// is the same), addresses, CIDR ranges, ranges `a-b`, each with an optional port, and `*` for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Everything,
    Address(IpAddr),
    Network(IpNet),
    Range(IpAddr, IpAddr),
    Name(String),
}

impl NoProxy {
    pub fn parse(list: &str) -> Self {
        Self {
            entries: list
                .split(|character: char| character == ',' || character.is_whitespace())
                .filter_map(Entry::parse)
                .collect(),
        }
    }

    pub fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let ip: Option<IpAddr> = host.parse().ok();
        let port = url.port_or_known_default();
        self.entries
            .iter()
            .any(|entry| entry.covers(host, ip, port))
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Self> {
        let (host, port) = split_port(entry);
        let host = host.to_lowercase();
        let target = if host == "*" {
            Target::Everything
        } else if let Ok(ip) = host.parse::<IpAddr>() {
            Target::Address(ip)
        } else if let Ok(network) = host.parse::<IpNet>() {
            Target::Network(network)
        } else if let Some((from, to)) = parse_range(&host) {
            Target::Range(from.min(to), from.max(to))
        } else {
            let name = host.strip_prefix('*').unwrap_or(&host);
            let name = name.strip_prefix('.').unwrap_or(&host);
            if name.is_empty() {
                return None;
            }
            Target::Name(name.to_owned())
        };
        Some(Self { target, port })
    }

    fn covers(&self, host: &str, ip: Option<IpAddr>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match &self.target {
            Target::Everything => true,
            Target::Address(address) => ip == Some(*address),
            Target::Network(network) => ip.is_some_and(|ip| network.contains(&ip)),
            // Every IPv4 address orders before every IPv6 address, so a range stays within its family.
            Target::Range(from, to) => ip.is_some_and(|ip| *from <= ip && ip <= *to),
            Target::Name(name) => {
                host == name
                    || host
                        .strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }
}

/// `host:port`, `[v6]` and `[v6]:port`; an unbracketed IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = entry
        .strip_prefix('[')
        .and_then(|entry| entry.split_once(']'))
    {
        return (
            host,
            rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn parse_range(entry: &str) -> Option<(IpAddr, IpAddr)> {
    let (from, to) = entry.split_once('-')?;
    let (from, to): (IpAddr, IpAddr) = (from.parse().ok()?, to.parse().ok()?);
    (from.is_ipv4() == to.is_ipv4()).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (list, url, expected) in [
            ("", "https://example.com/", false),
            ("*", "https://example.com/", true),
            ("other.test,*", "https://example.com/", true),
            ("example.com", "https://example.com/", true),
            ("EXAMPLE.com", "https://example.com/", true),
            ("example.com", "https://api.example.com/", true),
            ("example.com", "https://notexample.com/", false),
            (".example.com", "https://api.example.com/", true),
            (".example.com", "https://example.com/", true),
            ("*.example.com", "https://a.b.example.com/", true),
            ("a.test example.com", "https://example.com/", true),
            ("a.test,  example.com", "https://example.com/", true),
            ("example.com:443", "https://example.com/", true),
            ("example.com:80", "https://example.com/", false),
            ("example.com:8443", "https://example.com:8443/", true),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.0.0.0/8:8080", "http://10.1.2.3:8080/", true),
            ("10.0.0.0/8:8080", "http://10.1.2.3/", false),
            ("10.0.0.0/33", "http://10.1.2.3/", false),
            ("10.0.0.5-10.0.0.9", "http://10.0.0.7/", true),
            ("10.0.0.9-10.0.0.5", "http://10.0.0.7/", true),
            ("10.0.0.5-10.0.0.9", "http://10.0.0.10/", false),
            ("my-host.test", "http://my-host.test/", true),
            ("127.0.0.1", "http://127.0.0.1:9/", true),
            ("127.0.0.1", "http://127.0.0.2:9/", false),
            ("::1", "http://[::1]:9/", true),
            ("[::1]", "http://[::1]:9/", true),
            ("[::1]:9", "http://[::1]:9/", true),
            ("[::1]:8", "http://[::1]:9/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::1-fd00::9", "http://[fd00::5]/", true),
            ("10.0.0.1-fd00::9", "http://10.0.0.1/", false),
            ("0.0.0.0/0", "http://[fd00::5]/", false),
            (".", "https://example.com./", false),
        ] {
            let covers = NoProxy::parse(list).covers(&Url::parse(url).unwrap());
            assert_eq!(covers, expected, "{list:?} for {url}");
        }
    }
}
