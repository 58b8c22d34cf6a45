//! Proxies: what they are asked for, and what they never see.

use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{HttpClient, Policy};

use crate::server::{Reply, Server, ok, socks_proxy};
use crate::{get, open, post};

#[tokio::test]
async fn plain_requests_in_absolute_form() {
    let proxy = Server::start(|_| ok("from the proxy")).await;
    let url = format!("http://user:pass@localhost:{}", proxy.port());
    // The proxy's own name is the operator's choice; address rules are for targets.
    let rules = NetworkRules {
        ssrf_protection: true,
        allowed_addresses: vec!["mcp.invalid:80".to_owned()],
        ..NetworkRules::default()
    };
    let policy = Policy::new(&rules, &Environment::default(), Some(&url)).unwrap();
    let client = HttpClient::new();
    let response = client
        .send(&policy, get("http://mcp.invalid/x?y=1"))
        .await
        .unwrap();
    assert_eq!(response.bytes(0).await.unwrap(), "from the proxy");
    let seen = proxy.received().pop().unwrap();
    assert_eq!(seen.line, "GET http://mcp.invalid/x?y=1 HTTP/1.1");
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic dXNlcjpwYXNz")
    );

    for refused in ["http://other.invalid/", "http://10.0.0.1/"] {
        let error = client.send(&policy, get(refused)).await.unwrap_err();
        assert_eq!(error.code, Code::AddressNotAllowed, "{refused}");
    }
    assert_eq!(proxy.received().len(), 1);
}

#[tokio::test]
async fn secure_requests_through_a_tunnel() {
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let proxy = Server::start(|_| Reply::Close(refusal.to_owned())).await;
    let url = format!("http://user:hunter2@{}", proxy.address);
    let policy = open(&Environment::from([("https_proxy", url.as_str())]));
    assert!(!format!("{policy:?}").contains("hunter2"));
    let error = HttpClient::new()
        .send(&policy, post("https://mcp.invalid/x?key=hunter2", "{}"))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ConnectionFailed);
    let expected = format!(
        "The request to https://mcp.invalid/x through the proxy http://{} failed: the proxy made no connection: tunnel error: \
         unsuccessful",
        proxy.address
    );
    assert_eq!(error.message, expected);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let seen = proxy.received().pop().unwrap();
    assert_eq!(seen.line, "CONNECT mcp.invalid:443 HTTP/1.1");
    assert!(seen.header("proxy-authorization").is_some());
}

#[tokio::test]
async fn no_proxy_goes_directly() {
    let proxy = Server::start(|_| ok("proxy")).await;
    let server = Server::start(|_| ok("direct")).await;
    let proxy_url = proxy.url("");
    let client = HttpClient::new();
    for (no_proxy, expected) in [
        ("", "proxy"),
        ("example.com", "proxy"),
        ("127.0.0.0/8", "direct"),
        ("127.0.0.1:1", "proxy"),
        ("*", "direct"),
    ] {
        let policy = open(&Environment::from([
            ("HTTP_PROXY", proxy_url.as_str()),
            ("no_proxy", no_proxy),
        ]));
        let response = client.send(&policy, get(&server.url("/"))).await.unwrap();
        assert_eq!(response.bytes(0).await.unwrap(), expected, "{no_proxy:?}");
    }
}

#[tokio::test]
async fn socks_resolves_remotely() {
    for scheme in ["socks5", "socks5h"] {
        let (address, target) = socks_proxy().await;
        let proxy = format!("{scheme}://{address}");
        let policy = open(&Environment::from([("PROXY", proxy.as_str())]));
        let response = HttpClient::new()
            .send(&policy, get("http://mcp.invalid/"))
            .await
            .unwrap();
        assert_eq!(response.bytes(0).await.unwrap(), "through socks");
        assert_eq!(target.await.unwrap(), "mcp.invalid:80");
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_a_failed_connection() {
    // It keeps the port for itself, and does not listen.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["http", "socks5"] {
        let proxy = format!("{scheme}://user:hunter2@{address}");
        let policy = open(&Environment::from([("PROXY", proxy.as_str())]));
        let error = HttpClient::new()
            .send(&policy, get("http://mcp.invalid/"))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::ConnectionFailed);
        assert!(error.retryable);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
