//! The traits of `host.rs` over JavaScript callbacks: registry, stores, prompt, on-behalf-of, server requests.

pub mod client_assertion;
pub mod client_profile;
pub mod configs;
pub mod connections;
pub mod credentials;
pub mod embedded;
pub mod flows;
pub mod given_leases;
pub mod leases;
pub mod limits;
pub mod obo;
pub mod openid_config;
pub mod persist;
pub mod prompt;
pub mod publisher;
pub mod registry;
pub mod server_requests;
pub mod shared_sessions;
pub mod token_cache;
pub mod token_store;
pub mod trace_context;
pub mod upstream;
pub mod witness;
pub mod workload;
