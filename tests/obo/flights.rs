//! Many exchanges at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::obo::{Exchange, ExchangedTokens, Obo};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::{Parts, federated, host, user};
use super::idp::{Answer, Idp, error, token};
use super::{SCOPES, exchange, exchange_with, obo};

const DELAY: Duration = Duration::from_millis(100);

/// A token that names the assertion it was exchanged for.
fn own_token(request: &super::idp::TokenRequest, number: usize) -> Answer {
    token(
        &format!("token-{number}-for-{}", request.field("assertion")),
        3600,
    )
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(15), waiting).await;
    assert!(outcome.is_ok(), "{what}: not in time");
}

/// The first request has come.
async fn arrival(idp: &Idp) {
    eventually("the request", || idp.count() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_of_one_key_are_one_request() {
    let idp = Idp::start(DELAY, own_token).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let all = join_all((0..1000).map(|_| exchange(&obo, &host, 1))).await;
    assert_eq!(idp.count(), 1);
    for outcome in all {
        let exchanged = outcome.unwrap();
        assert!(exchanged.access_token.expose().starts_with("token-1-for-"));
        assert!((3590..=3600).contains(&exchanged.expires_in));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_users_get_their_own() {
    let idp = Idp::start(DELAY, own_token).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let users = (0..1000).map(|index| index % 100);
    let all = join_all(users.clone().map(|number| exchange(&obo, &host, number))).await;
    assert_eq!(idp.count(), 100);
    for (number, outcome) in users.zip(all) {
        let token = outcome.unwrap().access_token;
        let own = format!("-for-{}", federated(number).expose());
        assert!(token.expose().ends_with(&own), "a token of somebody else");
    }
}

#[tokio::test]
async fn a_failure_goes_to_all_and_is_forgotten() {
    let idp = Idp::start(DELAY, |_, number| match number {
        1 => error(400, "invalid_grant", 50013, &serde_json::json!({})),
        _ => token("later", 3600),
    })
    .await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let all = join_all((0..20).map(|_| exchange(&obo, &host, 1))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(idp.count(), 1);
    let later = exchange(&obo, &host, 1).await.unwrap();
    assert_eq!(later.access_token.expose(), "later");
}

#[tokio::test]
async fn a_cancelled_waiter_takes_nothing_from_the_others() {
    let idp = Idp::start(DELAY, own_token).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let mut first = Box::pin(exchange(&obo, &host, 1));
    let mut other = Box::pin(exchange(&obo, &host, 1));
    tokio::select! {
        biased;
        _ = &mut first => panic!("answered already"),
        _ = &mut other => panic!("answered already"),
        () = arrival(&idp) => {}
    }
    drop(first);
    assert!(other.await.is_ok());
    assert_eq!(idp.count(), 1);
}

#[tokio::test]
async fn nothing_goes_on_when_nobody_waits() {
    let idp = Idp::start(Duration::ZERO, |_, number| match number {
        1 => Answer::Hang,
        _ => token("t", 3600),
    })
    .await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let tokens = ExchangedTokens::new(tasks.clone(), closing.clone(), Arc::default());
    let obo = Obo::new(librechat_mcp_native::network::HttpClient::new(), tokens);
    tokio::select! {
        _ = exchange(&obo, &host, 1) => panic!("nobody answers"),
        () = arrival(&idp) => {}
    }
    eventually("the exchange ends with its last waiter", || {
        tasks.is_empty()
    })
    .await;
    // The next one starts anew.
    assert!(exchange(&obo, &host, 1).await.is_ok());

    closing.cancel();
    let error = exchange(&obo, &host, 2).await.unwrap_err();
    assert_eq!(error.code, Code::Closed);
}

#[tokio::test]
async fn a_hanging_provider_is_left_in_time() {
    let idp = Idp::start(Duration::ZERO, |_, _| Answer::Hang).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let request = Exchange {
        host: &host,
        user: &user(1),
        server_name: None,
        access_token: &federated(1),
        scopes: SCOPES,
        from_cache: true,
        rejected: None,
        deadline: Instant::now() + Duration::from_millis(300),
    };
    let obo = obo();
    let exchanging = tokio::time::timeout(Duration::from_secs(15), obo.exchange(&request));
    let error = exchanging.await.expect("in time").unwrap_err();
    assert_eq!(
        (error.code, error.retryable),
        (Code::OboExchangeFailed, true)
    );
}

#[tokio::test]
async fn bypassing_the_cache_is_not_joined_and_renews_it() {
    let idp = Idp::start(DELAY, own_token).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let bypassing = exchange_with(&obo, &host, 1, SCOPES, false);
    let (bypassing, ordinary) = tokio::join!(bypassing, exchange(&obo, &host, 1));
    assert_eq!(idp.count(), 2);
    assert_ne!(
        bypassing.unwrap().access_token,
        ordinary.unwrap().access_token
    );
    let renewed = exchange_with(&obo, &host, 1, SCOPES, false).await.unwrap();
    let cached = exchange(&obo, &host, 1).await.unwrap();
    assert_eq!(renewed.access_token, cached.access_token);
    assert_eq!(idp.count(), 3);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once_for_all() {
    let idp = Idp::start(DELAY, own_token).await;
    let (host, _) = host(&Arc::new(Parts::new(&idp.endpoint)), None);
    let obo = obo();
    let old = exchange(&obo, &host, 1).await.unwrap().access_token;
    let replace = || async {
        obo.exchange(&Exchange {
            host: &host,
            user: &user(1),
            server_name: None,
            access_token: &federated(1),
            scopes: SCOPES,
            from_cache: true,
            rejected: Some(&old),
            deadline: Instant::now() + Duration::from_secs(15),
        })
        .await
    };
    let all = join_all((0..20).map(|_| replace())).await;
    assert_eq!(idp.count(), 2);
    assert!(
        all.into_iter()
            .all(|outcome| outcome.unwrap().access_token != old)
    );
    // Whoever comes late takes what was exchanged meanwhile.
    assert_ne!(replace().await.unwrap().access_token, old);
    assert_eq!(idp.count(), 2);
}
