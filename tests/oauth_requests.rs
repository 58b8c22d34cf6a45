//! Requests to token endpoints over connections that are lost.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use indexmap::IndexMap;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::oauth::{Endpoints, Form};
use serde_json::json;
use support::scripted::{Action, Scripted};
use support::wire::{Step, response};
use url::Url;

fn endpoints(server: &Scripted) -> Endpoints {
    let rules = NetworkRules {
        allowed_addresses: vec![format!("127.0.0.1:{}", server.port)],
        ..NetworkRules::default()
    };
    let (http, environment) = (HttpClient::new(), Environment::default());
    Endpoints::new(http, &rules, &environment, None, &IndexMap::new()).unwrap()
}

/// A server that takes these steps, request by request, and the last for all that follow.
async fn server(answers: Vec<Vec<Step>>) -> Scripted {
    let next = AtomicUsize::new(0);
    Scripted::start(move |_| {
        let index = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        Action::Reply(answers[index].clone())
    })
    .await
}

fn answer(status: &str) -> Vec<Step> {
    vec![Step::Send(response(status, "application/json", b"{}"))]
}

fn closed() -> Vec<Step> {
    vec![Step::Close]
}

#[tokio::test]
async fn a_form_is_sent_once_more_where_nothing_was_answered() {
    let form = {
        let mut form = Form::default();
        form.set("grant_type", "refresh_token");
        form.set("refresh_token", "rt");
        form
    };
    let broken_off = vec![
        Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()),
        Step::Close,
    ];
    let (ok, failed) = (answer("200 OK"), answer("500 Internal Server Error"));
    let reset = vec![Step::Reset];
    let (failure, loss) = (Err(Code::ConnectionFailed), Err(Code::ConnectionLost));
    let cases = [
        ("answered", vec![ok.clone()], Ok(200), 1),
        ("closed", vec![closed(), ok.clone()], Ok(200), 2),
        ("reset", vec![reset, ok.clone()], Ok(200), 2),
        (
            "closed again",
            vec![closed(), closed(), ok.clone()],
            failure,
            2,
        ),
        ("broken off", vec![broken_off, ok.clone()], loss, 1),
        ("refused", vec![failed, ok], Ok(500), 1),
    ];
    for (name, answers, expected, sent) in cases {
        let server = server(answers).await;
        let url = Url::parse(&server.url("/token")).unwrap();
        let outcome = endpoints(&server).post_form(&url, &form, None).await;
        let outcome = outcome.map(|answer| answer.status.as_u16());
        assert_eq!(outcome.map_err(|error| error.code), expected, "{name}");
        let received = server.received();
        assert_eq!(received.len(), sent, "{name}");
        for request in received {
            let length = form.encode().len().to_string();
            assert_eq!(request.header("content-length"), Some(&*length), "{name}");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closes_is_such_a_case() {
    let server = server(vec![answer("200 OK"), closed(), answer("200 OK")]).await;
    let url = Url::parse(&server.url("/token")).unwrap();
    let endpoints = endpoints(&server);
    for sent in [1, 3] {
        let outcome = endpoints.post_form(&url, &Form::default(), None).await;
        assert!(outcome.is_ok_and(|answer| answer.status == 200));
        assert_eq!(server.received().len(), sent);
    }
}

#[tokio::test]
async fn a_registration_is_sent_once() {
    let server = server(vec![closed(), answer("201 Created")]).await;
    let url = Url::parse(&server.url("/register")).unwrap();
    let outcome = endpoints(&server).post_json(&url, &json!({})).await;
    assert_eq!(
        outcome.err().map(|error| error.code),
        Some(Code::ConnectionFailed)
    );
    assert_eq!(server.received().len(), 1);
}
