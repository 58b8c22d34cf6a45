use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::error::Result;
use crate::host::{Notice, Peer, ServerRequest, ServerRequests};

/// Hears everything.
struct Host;

#[async_trait]
impl ServerRequests for Host {
    fn handles(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, _: &Peer, _: ServerRequest<'_>) -> Result<Value> {
        Err(Error::internal())
    }

    fn notify(&self, _: &Peer, _: Notice) {}
}

fn wanted(url: &str) -> Value {
    json!({ "mode": "url", "message": "Go there", "elicitationId": "e1", "url": url })
}

#[test]
fn only_urls_of_the_web_without_credentials_are_passed_on() {
    for (url, shown) in [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("HTTPS://A.example", "https://a.example/"),
        (
            r"https:\\a.example\@b.example/",
            "https://a.example/@b.example/",
        ),
        (
            "https://b\u{fc}cher.example/",
            "https://xn--bcher-kva.example/",
        ),
        ("https://a.example/\n\tx", "https://a.example/x"),
    ] {
        let mut params = wanted(url);
        check(&mut params).unwrap();
        assert_eq!(params["url"], shown);
    }
    let long = format!("https://a.example/{}", "x".repeat(LONGEST_URL));
    for url in [
        "",
        "a.example",
        "/relative",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "vscode://open",
        "https://",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://:password@a.example/",
        &long,
    ] {
        assert!(check(&mut wanted(url)).is_err(), "{url}");
    }
}

#[test]
fn what_is_no_elicitation_is_refused() {
    for form in [json!({}), json!({ "mode": "form" }), Value::Null] {
        assert!(check(&mut form.clone()).is_ok(), "{form}");
    }
    for (member, odd) in [
        ("mode", json!("page")),
        ("mode", Value::Null),
        ("elicitationId", json!(7)),
        ("elicitationId", json!("x".repeat(LONGEST_ID + 1))),
        ("message", Value::Null),
        ("url", json!(["https://a.example"])),
    ] {
        let mut params = wanted("https://a.example/");
        params[member] = odd.clone();
        assert!(check(&mut params).is_err(), "{member}: {odd}");
    }
}

#[test]
fn an_error_has_elicitations_that_may_be_passed_on_or_none() {
    let error = |elicitations: Value, version: &ProtocolVersion| {
        let data = json!({ "elicitations": elicitations, "other": "https://user@b.example/" });
        let answer = RpcError {
            code: REQUIRED,
            message: "Go first".to_owned(),
            data: RawValue::from_string(data.to_string()).ok(),
        };
        error_of(&answer, version)
    };
    let good = json!([wanted("https://a.example")]);
    let told = error(good.clone(), &ProtocolVersion::V_2025_11_25);
    assert_eq!(told.rpc_code, Some(REQUIRED));
    assert_eq!(
        told.data.as_deref(),
        Some(&json!({ "elicitations": [wanted("https://a.example/")] }))
    );
    for version in [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2026_07_28] {
        assert!(error(good.clone(), &version).data.is_none());
    }
    let mut nameless = good.clone();
    nameless[0].as_object_mut().unwrap().remove("elicitationId");
    for bad in [
        json!([]),
        json!("all"),
        json!([wanted("https://a.example"), wanted("file:///x")]),
        json!([{ "message": "a form", "requestedSchema": {} }]),
        json!(vec![wanted("https://a.example"); MOST_REQUIRED + 1]),
        nameless,
    ] {
        let told = error(bad.clone(), &ProtocolVersion::V_2025_11_25);
        assert!(told.data.is_none(), "{bad}");
        assert!(told.message.contains("(refused: "), "{}", told.message);
    }
}

#[test]
fn an_end_is_told_once_and_to_whoever_was_asked() {
    let caller = |user: usize| Caller {
        peer: Peer {
            server_name: "srv".to_owned(),
            user_id: Some(user.to_string()),
            tool_name: None,
        },
        host: Some(Arc::new(Host)),
    };
    let open = OpenElicitations::default();
    let user_of = |id: &str| open.complete(id).and_then(|caller| caller.peer.user_id);
    assert_eq!(user_of("e0"), None);
    for user in 0..=MOST_OPEN {
        let mut params = wanted("https://a.example/");
        params["elicitationId"] = json!(format!("e{user}"));
        open.note(&params, &caller(user));
    }
    open.note(&json!({ "elicitationId": "form" }), &caller(0));
    let mut unheard = caller(0);
    unheard.host = None;
    open.note(&wanted("https://a.example/"), &unheard);
    assert_eq!(user_of("form"), None);
    assert_eq!(user_of("e0"), None);
    assert_eq!(user_of("e1").as_deref(), Some("1"));
    assert_eq!(user_of("e1"), None);
    assert_eq!(user_of("e256").as_deref(), Some("256"));
}
