//! What servers can say over HTTP/2 only.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::StatusCode;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::Environment;
use librechat_mcp_native::network::{HttpClient, Policy};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::Authority;
use crate::{open, post};

type Connection = h2::server::Connection<TlsStream<TcpStream>, Bytes>;

/// A server that does this with each connection, of which it is told the number.
async fn start<F>(
    authority: &Authority,
    serve: impl Fn(usize, Connection) -> F + Send + Sync + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![authority.certificate.clone()],
            authority.key.clone_key(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            tokio::spawn(serve(number, h2::server::handshake(stream).await.unwrap()));
        }
    });
    format!("https://localhost:{port}/")
}

/// Answers requests, after it has refused to look at so many, until so many are answered.
async fn answer(connection: &mut Connection, mut refusals: usize, most: usize) {
    let mut answered = 0;
    while answered < most
        && let Some(Ok((_, mut answer))) = connection.accept().await
    {
        if refusals > 0 {
            refusals -= 1;
            answer.send_reset(Reason::REFUSED_STREAM);
        } else {
            answered += 1;
            let response = http::Response::new(());
            answer.send_response(response, true).unwrap();
        }
    }
}

fn trusting(authority: &Authority) -> Policy {
    let file = authority.file.to_str().unwrap();
    open(&Environment::from([("NODE_EXTRA_CA_CERTS", file)]))
}

#[tokio::test]
async fn what_a_server_has_not_looked_at_is_sent_again() {
    let authority = Authority::new("unread");
    let policy = trusting(&authority);
    let sent = async |refusals| {
        let url = start(&authority, move |_, mut connection| async move {
            answer(&mut connection, refusals, usize::MAX).await;
        });
        let url = url.await;
        HttpClient::new().send(&policy, post(&url, "{}")).await
    };
    assert_eq!(sent(2).await.unwrap().status, StatusCode::OK);
    let error = sent(3).await.unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost, "{error}");
    assert!(error.retryable);
}

#[tokio::test]
async fn a_connection_that_has_fallen_silent_is_given_up() {
    let authority = Authority::new("silent");
    let policy = trusting(&authority);
    let url = start(&authority, |number, mut connection| async move {
        let most = if number == 0 { 1 } else { usize::MAX };
        answer(&mut connection, 0, most).await;
        // What was answered still has to be written.
        let _ = timeout(Duration::from_millis(500), connection.accept()).await;
        pending::<()>().await;
    });
    let (url, http) = (url.await, HttpClient::new());
    let sent = || http.send(&policy, post(&url, "{}"));
    assert_eq!(sent().await.unwrap().status, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::time::pause();
    let error = sent().await.unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost, "{error}");
    tokio::time::resume();
    assert_eq!(sent().await.unwrap().status, StatusCode::OK);
}
