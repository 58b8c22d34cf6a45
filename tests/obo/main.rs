//! On-behalf-of exchange against a scripted identity provider on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod cache;
mod credentials;
mod failures;
mod flights;
mod host;
mod idp;
mod servers;

use std::time::Duration;

use librechat_mcp_native::error::Result;
use librechat_mcp_native::host::Host;
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::obo::{Exchange, ExchangedToken, ExchangedTokens, Obo};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SCOPES: &str = "api://down/.default";

fn obo() -> Obo {
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let tokens = ExchangedTokens::new(tasks, closing, std::sync::Arc::default());
    Obo::new(HttpClient::new(), tokens)
}

/// An exchange of one user's own token.
async fn exchange(obo: &Obo, host: &Host, number: usize) -> Result<ExchangedToken> {
    exchange_with(obo, host, number, SCOPES, true).await
}

async fn exchange_with(
    obo: &Obo,
    host: &Host,
    number: usize,
    scopes: &str,
    from_cache: bool,
) -> Result<ExchangedToken> {
    obo.exchange(&Exchange {
        host,
        user: &host::user(number),
        server_name: None,
        access_token: &host::federated(number),
        scopes,
        from_cache,
        rejected: None,
        deadline: Instant::now() + Duration::from_secs(15),
    })
    .await
}
