//! One hardened HTTP client for MCP traffic, OAuth and on-behalf-of exchange.
//!
//! A [`Policy`] says where a call may go, a [`Request`] what it sends, [`HttpClient::send`] does it. The address that
//! was judged is the address connected to: names are judged in the client's own resolver at connect time, literals
//! (which no resolver ever sees) before each request and each redirect hop.

mod address;
mod allowlist;
mod client;
mod client_key;
mod coding;
mod connector;
mod exemption;
mod explanation;
mod failure;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod no_proxy;
mod of_url;
mod policy;
mod proxy;
mod redirect;
mod registry_rules;
mod request;
mod resolver;
mod response;
mod rule;
mod served;
mod server_tls;
mod tls;
mod tls_failure;
mod tls_files;
mod tls_options;

pub use address::is_private_address;
pub use allowlist::{Allowlist, is_domain_allowed};
pub use client::HttpClient;
pub use explanation::{EXPLANATION_BYTES, Failed};
pub use failure::sanitize_url;
pub use policy::{Policy, VARIABLES, verification_warning};
pub use registry_rules::NetworkRules;
pub use request::{Redirects, Request};
pub use response::Response;
pub use server_tls::ServerTls;
pub use tls_options::TlsOptions;
