//! Redirects: 307 and 308 only, five at most, nothing inherited across origins.

use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{HttpClient, Policy, Redirects};

use crate::server::{Server, ok, redirect};
use crate::{open, post, protected};

#[tokio::test]
async fn same_origin_keeps_method_body_and_headers() {
    for status in [307, 308] {
        let server = Server::start(move |request| {
            if request.line.starts_with("POST /old") {
                redirect(status, "/new?x=1")
            } else {
                ok("arrived")
            }
        })
        .await;
        let policy = protected(&[server.address.to_string()]);
        let mut request = post(&server.url("/old"), "payload");
        request
            .headers
            .insert("authorization", "Bearer t".parse().unwrap());
        let response = HttpClient::new().send(&policy, request).await.unwrap();
        assert_eq!(response.url.as_str(), server.url("/new?x=1"));
        assert_eq!(response.bytes(0).await.unwrap(), "arrived");
        let last = server.received().pop().unwrap();
        assert_eq!(last.line, "POST /new?x=1 HTTP/1.1");
        assert_eq!(last.body, b"payload");
        assert_eq!(last.header("authorization"), Some("Bearer t"));
    }
}

#[tokio::test]
async fn other_redirects_are_answers() {
    for (status, redirects) in [
        (301, Redirects::Mcp),
        (302, Redirects::Mcp),
        (303, Redirects::Mcp),
        (307, Redirects::Refuse),
        (308, Redirects::Refuse),
    ] {
        let server = Server::start(move |_| redirect(status, "/new")).await;
        let mut request = post(&server.url("/"), "payload");
        request.redirects = redirects;
        let policy = open(&Environment::default());
        let response = HttpClient::new().send(&policy, request).await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.headers["location"], "/new");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn an_exempt_address_is_no_target_for_another_origin() {
    let inner = Server::start(|_| ok("secret")).await;
    for target in [
        inner.url("/"),
        format!("http://localhost:{}/", inner.port()),
        format!("//localhost:{}/", inner.port()),
        format!("http://2130706433:{}/", inner.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let outer = Server::start(move |_| redirect(307, &target)).await;
        let exempt = [
            outer.address.to_string(),
            inner.address.to_string(),
            format!("localhost:{}", inner.port()),
        ];
        for policy in [protected(&exempt), open(&Environment::default())] {
            let error = HttpClient::new()
                .send(&policy, post(&outer.url("/"), "payload"))
                .await
                .unwrap_err();
            assert_eq!(error.code, Code::AddressNotAllowed);
        }
        assert_eq!(outer.received().len(), 2);
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn secrets_stay_behind_and_do_not_come_back() {
    // Two public origins, both played by the proxy.
    let proxy = Server::start(|request| match request.line.as_str() {
        "POST http://1.1.1.1/a HTTP/1.1" => redirect(307, "/b"),
        "POST http://1.1.1.1/b HTTP/1.1" => redirect(308, "http://1.0.0.1/c"),
        "POST http://1.0.0.1/c HTTP/1.1" => redirect(307, "http://1.1.1.1/d"),
        _ => ok("arrived"),
    })
    .await;
    let policy = open(&Environment::from([("PROXY", proxy.url("").as_str())]));
    let mut request = post("http://1.1.1.1/a", "payload");
    let secret = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "mcp-session-id",
        "x-api-key",
    ];
    for name in secret {
        request.headers.insert(name, "hunter2".parse().unwrap());
    }
    request
        .headers
        .insert("accept", "application/json".parse().unwrap());
    request.secret_headers = vec!["x-api-key".parse().unwrap()];
    let response = HttpClient::new().send(&policy, request).await.unwrap();
    assert_eq!(response.url.as_str(), "http://1.1.1.1/d");

    let received = proxy.received();
    assert_eq!(received.len(), 4);
    for (index, request) in received.iter().enumerate() {
        for name in secret {
            assert_eq!(
                request.header(name).is_some(),
                index < 2,
                "{name} at {index}"
            );
        }
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.body, b"payload");
    }
}

#[tokio::test]
async fn a_way_back_is_the_servers_choice_too() {
    let proxy = Server::start(|request| {
        let back = request.header("x-back").unwrap_or_default();
        redirect(307, &format!("http://{back}/private"))
    })
    .await;
    let server = Server::start(|_| redirect(307, "http://1.1.1.1/")).await;
    let rules = NetworkRules {
        ssrf_protection: true,
        allowed_addresses: vec![server.address.to_string()],
        ..NetworkRules::default()
    };
    let environment = Environment::from([
        ("http_proxy", proxy.url("").as_str()),
        ("no_proxy", "127.0.0.1"),
    ]);
    let policy = Policy::new(&rules, &environment, None).unwrap();
    let mut request = post(&server.url("/"), "payload");
    let back = server.address.to_string();
    request.headers.insert("x-back", back.parse().unwrap());
    let error = HttpClient::new().send(&policy, request).await.unwrap_err();
    assert_eq!(error.code, Code::AddressNotAllowed);
    assert_eq!((server.received().len(), proxy.received().len()), (1, 1));
}

#[tokio::test]
async fn names_are_judged_before_a_proxy_resolves_them() {
    let proxy = Server::start(|_| redirect(307, "http://unresolvable.invalid/")).await;
    let policy = open(&Environment::from([("PROXY", proxy.url("").as_str())]));
    let error = HttpClient::new()
        .send(&policy, post("http://mcp.invalid/", "payload"))
        .await
        .unwrap_err();
    assert_eq!(
        error.code,
        Code::ConnectionFailed,
        "a pass would be a guess"
    );
    assert_eq!(proxy.received().len(), 1);
}

#[tokio::test]
async fn five_at_most() {
    let server = Server::start(|_| redirect(307, "/again")).await;
    let policy = protected(&[server.address.to_string()]);
    let error = HttpClient::new()
        .send(&policy, post(&server.url("/?key=hunter2"), ""))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::HttpStatus);
    assert_eq!(error.status, Some(307));
    assert!(!error.retryable);
    assert_eq!(
        error.message,
        format!("{} redirected more than 5 times", server.url("/"))
    );
    assert_eq!(server.received().len(), 6);
}

#[tokio::test]
async fn to_nowhere() {
    for location in ["http://", "ftp://example.com/", "file:///etc/passwd"] {
        let server = Server::start(move |_| redirect(307, location)).await;
        let error = HttpClient::new()
            .send(&open(&Environment::default()), post(&server.url("/"), ""))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::InvalidResponse, "{location}");
    }
}
