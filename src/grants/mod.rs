//! Tokens of grants that users do not log in for at the server.

mod authorization_server;
mod enterprise;

pub use authorization_server::AuthorizationServers;
pub use enterprise::{Enterprise, Target};
