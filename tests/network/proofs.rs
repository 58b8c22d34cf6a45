//! Proofs of possession (RFC 9449): made each time that a request is sent, for where it is sent to.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use librechat_mcp_native::dpop::Prover;
use librechat_mcp_native::host::Environment;
use librechat_mcp_native::network::{HttpClient, Request};
use librechat_mcp_native::secret::Secret;
use serde_json::Value;

use crate::server::{Received, Reply, Server, ok, redirect};
use crate::{open, post};

fn proved(url: &str) -> Request {
    let (prover, _) = Prover::generate().unwrap();
    let mut request = post(url, "payload");
    request
        .headers
        .insert("authorization", "DPoP t".parse().unwrap());
    request.proof = Some(prover.proof(Some(Secret::from("t"))));
    request
}

fn claims(received: &Received) -> Option<Value> {
    let proof = received.header("dpop")?;
    let claims = URL_SAFE_NO_PAD.decode(proof.split('.').nth(1)?).unwrap();
    Some(serde_json::from_slice(&claims).unwrap())
}

fn wants_nonce(nonce: &str) -> Reply {
    Reply::Send(format!(
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: DPoP error=\"use_dpop_nonce\"\r\ndpop-nonce: {nonce}\r\n\
         content-length: 0\r\n\r\n"
    ))
}

#[tokio::test]
async fn a_redirect_gets_a_proof_of_its_own_and_another_origin_none() {
    // Two public origins, both played by the proxy.
    let proxy = Server::start(|request| match request.line.as_str() {
        "POST http://1.1.1.1/a?q=1 HTTP/1.1" => redirect(307, "/b?q=2"),
        "POST http://1.1.1.1/b?q=2 HTTP/1.1" => redirect(307, "http://1.0.0.1/c"),
        "POST http://1.0.0.1/c HTTP/1.1" => redirect(307, "http://1.1.1.1/d"),
        _ => ok("arrived"),
    })
    .await;
    let policy = open(&Environment::from([("PROXY", proxy.url("").as_str())]));
    let request = proved("http://1.1.1.1/a?q=1");
    HttpClient::new().send(&policy, request).await.unwrap();
    let claims: Vec<_> = proxy.received().iter().map(claims).collect();
    let [Some(first), Some(second), None, None] = claims.as_slice() else {
        panic!("{claims:?}");
    };
    assert_eq!(first["htu"], "http://1.1.1.1/a");
    assert_eq!(second["htu"], "http://1.1.1.1/b");
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn a_wish_for_a_nonce_is_met_once() {
    let server = Server::start(|_| wants_nonce("n")).await;
    let policy = open(&Environment::default());
    let http = HttpClient::new();
    let sent = http.send(&policy, proved(&server.url("/mcp")));
    let response = sent.await.unwrap();
    assert_eq!(response.refused_proof, Some("use_dpop_nonce"));
    let received = server.received();
    let nonces: Vec<_> = received
        .iter()
        .map(|it| claims(it).unwrap().get("nonce").cloned())
        .collect();
    assert_eq!(nonces, [None, Some(Value::from("n"))]);
    assert!(received.iter().all(|it| it.body == b"payload"));

    let plain = http.send(&policy, post(&server.url("/mcp"), "payload"));
    assert_eq!(plain.await.unwrap().refused_proof, None);
    assert_eq!(server.received().len(), 3, "nobody else is asked again");
}

#[tokio::test]
async fn what_is_sent_again_on_another_connection_has_another_proof() {
    let count = AtomicUsize::new(0);
    // The kept connection turns out to be closed.
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::Close(String::new()),
        _ => ok("arrived"),
    })
    .await;
    let policy = open(&Environment::default());
    let http = HttpClient::new();
    for path in ["/first", "/second"] {
        let mut request = proved(&server.url(path));
        request.is_repeatable = true;
        let response = http.send(&policy, request).await.unwrap();
        assert_eq!(response.bytes(0).await.unwrap(), "arrived");
    }
    let received = server.received();
    let ids = received
        .iter()
        .map(|it| claims(it).unwrap()["jti"].to_string());
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids.len(), 3);
    assert_ne!(ids[1], ids[2]);
}
