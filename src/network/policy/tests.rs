use super::super::tls_options::TlsOptions;
use super::*;

fn rules(ssrf_protection: bool, domains: &[&str], addresses: &[&str]) -> NetworkRules {
    let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
    NetworkRules {
        ssrf_protection,
        allowed_domains: owned(domains),
        allowed_addresses: owned(addresses),
        tls: None,
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

#[test]
fn the_server_s_own_tls_is_for_the_origins_of_its_config() {
    let parsed = |url: &str| Url::parse(url).unwrap();
    let own = "https://mcp.test/mcp";
    let endpoints = [parsed("https://as.test/token")];
    let tls = ServerTls::new("srv", TlsOptions::default(), &parsed(own), &endpoints).unwrap();
    let rules = NetworkRules {
        tls: Some(tls),
        ..NetworkRules::default()
    };
    for policy in [Policy::new, Policy::oauth] {
        let policy = policy(&rules, &Environment::default(), None).unwrap();
        for (url, hop, has) in [
            (own, Hop::Configured, true),
            ("https://as.test/revoke", Hop::Configured, true),
            ("https://named.test/token", Hop::Configured, false),
            // Where a server has led, also where that is back.
            (own, Hop::Redirected, false),
            ("https://as.test/revoke", Hop::Redirected, false),
        ] {
            let route = policy.route(&parsed(url), hop).unwrap();
            assert_eq!(route.tls.is_some(), has, "{url} {hop:?}");
        }
    }
}
