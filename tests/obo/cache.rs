//! What a cache gives to whom, and what the shared one gets to see.

use std::sync::Arc;
use std::time::Duration;

use librechat_mcp_native::host::ClientAuth;
use librechat_mcp_native::secret::Secret;
use serde_json::json;

use super::host::{Cache, Parts, Trouble, client, federated, host, user};
use super::idp::{Answer, Idp, TokenRequest, answer, token};
use super::{SCOPES, exchange, exchange_with, obo};
use librechat_mcp_native::obo::Exchange;

fn numbered(_: &TokenRequest, number: usize) -> Answer {
    token(&format!("hunter2-{number}"), 3600)
}

#[tokio::test]
async fn isolated_by_everything_that_matters() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let obo = obo();
    let other = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::new(&idp.endpoint);
        change(&mut parts);
        host(&Arc::new(parts), None).0
    };
    let plain = other(&|_| {});
    let mut requests = 0;
    for (host, number, scopes, is_new) in [
        (&plain, 1, SCOPES, true),
        (&plain, 1, SCOPES, false),
        (&plain, 1, "b a", true),
        (&plain, 1, "a  b", false),
        (&plain, 1, "a", true),
        (&plain, 2, SCOPES, true),
        (
            &other(&|parts| parts.tenant = Some("t1".to_owned())),
            1,
            SCOPES,
            true,
        ),
        (
            &other(&|parts| parts.tenant = Some("t2".to_owned())),
            1,
            SCOPES,
            true,
        ),
        (
            &other(&|parts| parts.tenant = Some("t1".to_owned())),
            1,
            SCOPES,
            false,
        ),
        (
            &other(&|parts| parts.tenant = Some(String::new())),
            1,
            SCOPES,
            false,
        ),
        (
            &other(&|parts| {
                parts.client.as_mut().unwrap().issuer = Some("https://other".to_owned());
            }),
            1,
            SCOPES,
            true,
        ),
        (
            &other(&|parts| parts.client.as_mut().unwrap().client_id = "client-2".to_owned()),
            1,
            SCOPES,
            true,
        ),
    ] {
        exchange_with(&obo, host, number, scopes, true)
            .await
            .unwrap();
        requests += usize::from(is_new);
        assert_eq!(idp.count(), requests, "user {number}, scopes {scopes}");
    }
}

#[tokio::test]
async fn another_assertion_or_user_is_another_token() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let mut tokens = Vec::new();
    for (number, assertion) in [(1, 1), (1, 2), (2, 1), (1, 1)] {
        let exchanged = obo
            .exchange(&Exchange {
                host: &host,
                user: &user(number),
                server_name: None,
                access_token: &federated(assertion),
                scopes: SCOPES,
                from_cache: true,
                rejected: None,
                deadline: tokio::time::Instant::now() + Duration::from_secs(15),
            })
            .await;
        tokens.push(exchanged.unwrap().access_token.expose().clone());
    }
    assert_eq!(tokens, ["hunter2-1", "hunter2-2", "hunter2-3", "hunter2-1"]);
}

#[tokio::test]
async fn tokens_expire_early_and_report_what_is_left() {
    const LIFETIME: u64 = 6;
    let idp = Idp::start(Duration::ZERO, |_, number| {
        token(&number.to_string(), LIFETIME)
    })
    .await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let exchanged = std::time::Instant::now();
    let mut left = vec![exchange(&obo, &host, 1).await.unwrap().expires_in];
    while idp.count() == 1 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        left.push(exchange(&obo, &host, 1).await.unwrap().expires_in);
        // A tenth of six seconds early, and not earlier.
        assert!(
            exchanged.elapsed() < Duration::from_mins(1),
            "kept for too long"
        );
    }
    assert!(
        exchanged.elapsed() > Duration::from_secs(5),
        "a token of six seconds"
    );
    let anew = left.pop();
    assert!(
        left.is_sorted_by(|one, next| one >= next),
        "what is left, not what it was: {left:?}"
    );
    assert!(
        left.first() > left.last() && anew > left.last().copied(),
        "{left:?}"
    );
}

#[tokio::test]
async fn lifetimes_that_providers_write() {
    for (expires_in, expected, is_cached) in [
        (json!(600), 600, true),
        (json!("600"), 600, true),
        (json!(600.7), 600, true),
        (json!(null), 3600, true),
        (json!("soon"), 3600, true),
        (json!(0), 3600, false),
        (json!(-5), 3600, false),
    ] {
        let body = json!({ "access_token": "t", "token_type": "bearer", "expires_in": expires_in });
        let idp = Idp::start(Duration::ZERO, move |_, _| answer(200, &body)).await;
        let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
        let obo = obo();
        let left = exchange(&obo, &host, 1).await.unwrap().expires_in;
        assert!(
            (expected - 1..=expected).contains(&left),
            "{expires_in}: {left}"
        );
        exchange(&obo, &host, 1).await.unwrap();
        assert_eq!(idp.count() == 1, is_cached, "{expires_in}");
    }
}

#[tokio::test]
async fn shared_by_processes_and_sealed() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let cache = Arc::new(Cache::default());
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), Some(&cache));
    let first = exchange(&obo(), &host, 1).await.unwrap();
    // Another process: nothing in memory.
    let second = exchange(&obo(), &host, 1).await.unwrap();
    assert_eq!(first.access_token, second.access_token);
    assert_eq!(idp.count(), 1);

    let entries = cache.entries.lock().unwrap().clone();
    let [(key, (value, ttl))] = &entries.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one entry")
    };
    // Whole, since anything short may be found in random text as well.
    let shown = format!("{key} {value}");
    let assertion = federated(1);
    for secret in [first.access_token.expose(), assertion.expose(), SCOPES] {
        assert!(!shown.contains(secret), "{secret} in the shared cache");
    }
    assert!((3290..=3300).contains(&ttl.as_secs()), "{ttl:?}");
}

#[tokio::test]
async fn what_was_tampered_with_is_ignored() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let cache = Arc::new(Cache::default());
    let (host_of_one, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), Some(&cache));
    exchange(&obo(), &host_of_one, 1).await.unwrap();
    exchange(&obo(), &host_of_one, 2).await.unwrap();
    {
        let mut entries = cache.entries.lock().unwrap();
        let keys: Vec<_> = entries.keys().cloned().collect();
        let [one, two] = &keys[..] else {
            panic!("two entries")
        };
        let (moved, kept) = (entries[one].clone(), entries[two].clone());
        entries.insert(one.clone(), kept);
        entries.insert(two.clone(), moved);
    }
    let one = exchange(&obo(), &host_of_one, 1)
        .await
        .unwrap()
        .access_token;
    let two = exchange(&obo(), &host_of_one, 2)
        .await
        .unwrap()
        .access_token;
    assert_ne!(one, two, "a token of somebody else");

    for (value, _) in cache.entries.lock().unwrap().values_mut() {
        value.replace_range(20..21, if &value[20..21] == "A" { "B" } else { "A" });
    }
    let requests = idp.count();
    exchange(&obo(), &host_of_one, 1).await.unwrap();
    assert_eq!(idp.count(), requests + 1);
    assert!(lines.text().contains("unreadable entry"));
}

#[tokio::test]
async fn another_key_or_none_shares_nothing() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let cache = Arc::new(Cache::default());
    let (mut host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), Some(&cache));
    exchange(&obo(), &host, 1).await.unwrap();
    host.credentials_key = Arc::new(Some(Secret::from("00")));
    exchange(&obo(), &host, 1).await.unwrap();
    assert_eq!(idp.count(), 2);
    host.credentials_key = Arc::new(None);
    cache.entries.lock().unwrap().clear();
    exchange(&obo(), &host, 1).await.unwrap();
    assert!(cache.entries.lock().unwrap().is_empty(), "nothing unsealed");
}

#[tokio::test]
async fn a_cache_in_trouble_is_skipped() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let idp = Idp::start(Duration::ZERO, numbered).await;
        let cache = Cache {
            trouble,
            ..Cache::default()
        };
        let (host, lines) = host(&Arc::new(Parts::new(&idp.endpoint)), Some(&Arc::new(cache)));
        assert!(exchange(&obo(), &host, 1).await.is_ok());
        let log = lines.text();
        assert!(log.contains("exchangedTokens failed to read"), "{log}");
        // It is not asked again so soon.
        assert!(!log.contains("exchangedTokens failed to write"), "{log}");
    }
}

#[tokio::test]
async fn bypassing_renews_the_shared_cache() {
    let idp = Idp::start(Duration::ZERO, numbered).await;
    let cache = Arc::new(Cache::default());
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), Some(&cache));
    exchange(&obo(), &host, 1).await.unwrap();
    exchange_with(&obo(), &host, 1, SCOPES, false)
        .await
        .unwrap();
    let found = exchange(&obo(), &host, 1).await.unwrap();
    assert_eq!(found.access_token.expose(), "hunter2-2");
    assert_eq!(idp.count(), 2);
}

#[tokio::test]
async fn answers_with_claims_are_not_cached() {
    let body = json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 3600, "claims": "{\"id_token\":{}}" });
    let idp = Idp::start(Duration::ZERO, move |_, _| answer(200, &body)).await;
    let mut parts = Parts::new(&idp.endpoint);
    parts.client = Some(client(&idp.endpoint, ClientAuth::None));
    let (host, _) = host(&Arc::new(parts), None);
    let obo = obo();
    exchange(&obo, &host, 1).await.unwrap();
    exchange(&obo, &host, 1).await.unwrap();
    assert_eq!(idp.count(), 2);
}
