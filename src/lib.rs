//! MCP client runtime for Node: connections, OAuth and on-behalf-of exchange.
//!
//! Data flows one way; each module imports only from those below it. See `docs/architecture.md`.

// napi leaves its exports out of test builds, where nothing would use this module.
#[cfg(all(feature = "node", not(test)))]
mod node;

pub mod reconnect;
pub mod reinit;

pub mod manager;

pub mod connection;
pub mod oauth;
pub mod obo;

pub mod server_config;
pub mod transport;

pub mod embedded;
pub mod network;

pub(crate) mod blocking;
pub mod error;
pub mod foreign_text;
pub(crate) mod hex;
pub mod host;
pub mod log_room;
pub mod nesting;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod telemetry;
pub mod tools;
