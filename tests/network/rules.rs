//! Where requests may go.

use std::time::Duration;

use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{HttpClient, Policy};

use crate::server::{Server, ok};
use crate::{get, open, post, protected};

#[tokio::test]
async fn names_are_reached_only_where_exempt() {
    let server = Server::start(|_| ok("hello")).await;
    let client = HttpClient::new();
    let url = format!("http://localhost:{}/", server.port());

    let elsewhere = format!("localhost:{}", server.port().wrapping_add(1));
    for policy in [protected(&[]), protected(&[elsewhere])] {
        let error = client.send(&policy, get(&url)).await.unwrap_err();
        assert_eq!(error.code, Code::AddressNotAllowed);
        assert!(!error.retryable);
    }
    assert_eq!(server.connections(), 0);

    let exempt = protected(&[format!("localhost:{}", server.port())]);
    let response = client.send(&exempt, get(&url)).await.unwrap();
    assert_eq!(response.bytes(0).await.unwrap(), "hello");
    assert_eq!(server.connections(), 1);

    // The open connection is not for those who may not have it.
    let error = client.send(&protected(&[]), get(&url)).await.unwrap_err();
    assert_eq!(error.code, Code::AddressNotAllowed);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn literals_are_refused_before_connecting() {
    let server = Server::start(|_| ok("hello")).await;
    let client = HttpClient::new();
    let port = server.port();
    for host in [
        "127.0.0.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "127.1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let url = format!("http://{host}:{port}/");
        let error = client.send(&protected(&[]), get(&url)).await.unwrap_err();
        assert_eq!(error.code, Code::AddressNotAllowed, "{url}");
    }
    assert_eq!(server.connections(), 0);

    let exempt = protected(&[format!("127.0.0.1:{port}")]);
    let response = client
        .send(&exempt, get(&format!("http://127.1:{port}/")))
        .await
        .unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn the_allowlist_comes_first() {
    let server = Server::start(|_| ok("hello")).await;
    let rules = NetworkRules {
        allowed_domains: vec![format!("http://localhost:{}", server.port())],
        ..NetworkRules::default()
    };
    let policy = Policy::new(&rules, &Environment::default(), None).unwrap();
    let client = HttpClient::new();
    let error = client.send(&policy, get(&server.url("/"))).await;
    assert_eq!(error.unwrap_err().code, Code::DomainNotAllowed);
    assert_eq!(server.connections(), 0);
    let url = format!("http://localhost:{}/", server.port());
    assert!(client.send(&policy, get(&url)).await.is_ok());
}

#[tokio::test]
async fn the_operator_s_own_provider_is_trusted() {
    let server = Server::start(|_| ok("token")).await;
    let policy = Policy::trusted(&Environment::default()).unwrap();
    let response = HttpClient::new()
        .send(&policy, get(&server.url("/token")))
        .await
        .unwrap();
    assert_eq!(response.bytes(5).await.unwrap(), "token");
}

#[tokio::test]
async fn what_is_sent() {
    let server = Server::start(|_| ok("hello")).await;
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    client.send(&policy, get(&server.url("/"))).await.unwrap();
    client
        .send(&policy, post(&server.url("/?a=b#c"), ""))
        .await
        .unwrap();
    let [get, post] = &server.received()[..] else {
        panic!("two requests");
    };
    assert_eq!(get.line, "GET / HTTP/1.1");
    assert_eq!(get.header("content-length"), None);
    assert_eq!(
        get.header("host"),
        Some(server.address.to_string().as_str())
    );
    assert!(get.header("user-agent").is_some());
    assert_eq!(post.line, "POST /?a=b HTTP/1.1");
    assert_eq!(post.header("content-length"), Some("0"));
}

#[tokio::test]
async fn connections_are_kept() {
    let server = Server::start(|_| ok("hello")).await;
    let client = HttpClient::new();
    let policy = protected(&[server.address.to_string()]);
    for requests in 1.. {
        let response = client.send(&policy, get(&server.url("/"))).await.unwrap();
        response.bytes(0).await.unwrap();
        if server.connections() < requests {
            return;
        }
        assert!(requests < 100, "a connection for each request");
        // It goes back to the pool a little after its answer.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn failures_tell_the_cause_and_no_secrets() {
    // It keeps the port for itself, and does not listen.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = silent.local_addr().unwrap().port();
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    for (url, cause) in [
        (
            format!("http://user:hunter2@127.0.0.1:{port}/mcp?key=hunter2"),
            "connection refused",
        ),
        (
            "https://user:hunter2@unresolvable.invalid/mcp?key=hunter2".to_owned(),
            "could not be resolved",
        ),
    ] {
        let mut request = get(&url);
        request
            .headers
            .insert("authorization", "Bearer hunter2".parse().unwrap());
        assert!(!format!("{request:?}").contains("hunter2"));
        let error = client.send(&policy, request).await.unwrap_err();
        assert_eq!(error.code, Code::ConnectionFailed);
        assert!(error.retryable);
        assert!(error.message.contains(cause), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
