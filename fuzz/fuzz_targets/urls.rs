#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{Policy, is_private_address};
use url::{Host, Url};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    url: &'a str,
    base: Option<&'a str>,
    domains: Vec<String>,
    no_proxy: Option<&'a str>,
}

fuzz_target!(|input: Input<'_>| {
    let url = match input.base.and_then(|base| Url::parse(base).ok()) {
        Some(base) => base.join(input.url),
        None => Url::parse(input.url),
    };
    let Ok(url) = url else { return };
    let environment = match input.no_proxy {
        Some(no_proxy) => {
            Environment::from([("PROXY", "http://proxy.test:3128"), ("no_proxy", no_proxy)])
        }
        None => Environment::default(),
    };
    let protected = NetworkRules {
        ssrf_protection: true,
        ..NetworkRules::default()
    };
    let policy = Policy::new(&protected, &environment, None).expect("a policy");
    if policy.check_url(&url).is_ok() {
        assert!(
            matches!(url.scheme(), "http" | "https" | "ws" | "wss"),
            "{url}"
        );
        match url.host() {
            Some(Host::Ipv4(address)) => assert!(!is_private_address(address.into()), "{url}"),
            Some(Host::Ipv6(address)) => assert!(!is_private_address(address.into()), "{url}"),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                assert!(
                    name != "localhost" && !name.ends_with(".localhost"),
                    "{url}"
                );
            }
            None => panic!("no host in {url}"),
        }
    }
    let listed = NetworkRules {
        ssrf_protection: true,
        allowed_domains: input.domains.clone(),
        allowed_addresses: input.domains,
        tls: None,
    };
    if let Ok(policy) = Policy::new(&listed, &environment, None) {
        let _ = policy.check_url(&url);
    }
});
