//! MCP client runtime for Node: connections, OAuth and on-behalf-of exchange.
//!
//! Data flows one way; each module imports only from those below it. See `docs/architecture.md`.

pub mod error;
pub mod host;
pub mod network;
pub mod secret;
pub mod server_config;
pub mod settings;
pub mod transport;
