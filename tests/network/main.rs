//! The HTTP client against real sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod http2;
mod limits;
mod own_tls;
mod proofs;
mod proxies;
mod redirects;
mod rules;
mod server;
mod tls;

use http::Method;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::{Policy, Redirects, Request};
use url::Url;

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

fn post(url: &str, body: &'static str) -> Request {
    let mut request = Request::new(Method::POST, Url::parse(url).unwrap());
    request.body = body.into();
    request.redirects = Redirects::Mcp;
    request
}

/// SSRF protection with these exemptions.
fn protected(addresses: &[String]) -> Policy {
    let rules = NetworkRules {
        ssrf_protection: true,
        allowed_addresses: addresses.to_vec(),
        ..NetworkRules::default()
    };
    Policy::new(&rules, &Environment::default(), None).unwrap()
}

/// No protection, as with an allowlist that names the host.
fn open(environment: &Environment) -> Policy {
    Policy::new(&NetworkRules::default(), environment, None).unwrap()
}
