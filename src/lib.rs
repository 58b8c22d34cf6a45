//! MCP client runtime for Node: connections, OAuth and on-behalf-of exchange.
//!
//! Data flows one way; each module imports only from those below it. See `docs/architecture.md`.

// napi leaves its exports out of test builds, where nothing would use this module.
#[cfg(all(feature = "node", not(test)))]
mod node;

pub mod embedded;
pub mod reconnect;
pub mod reinit;

pub mod manager;

pub mod grants;

pub mod oauth;
pub mod obo;

pub mod connection;

pub mod transport;

pub mod governance;

pub mod host;

pub mod server_config;

pub mod network;
pub mod settings;

pub mod dpop;
pub mod log;
pub mod log_room;

pub(crate) mod flights;
pub mod foreign_text;
pub(crate) mod secret_file;
pub mod trace;

pub mod abilities;
pub(crate) mod background;
pub(crate) mod blocking;
pub(crate) mod cancel;
pub(crate) mod challenges;
pub(crate) mod clock;
pub(crate) mod digest;
pub mod environment;
pub mod error;
pub(crate) mod file_stamp;
pub(crate) mod hex;
pub mod jws;
pub(crate) mod keyed_lock;
pub(crate) mod literal;
pub(crate) mod lru_map;
pub mod nesting;
pub mod scheduler;
pub mod seal;
pub mod secret;
pub mod telemetry;
pub mod tools;
pub mod user;
