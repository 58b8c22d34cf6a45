//! Tokens for servers that no user logs in to: which authorization server gives them, how it is asked, and how long a
//! token is kept.
//!
//! RFC 6749, section 4.4; RFC 7523, 8693, 9728, 8414, 8707.

mod assertion;
pub mod authorization_server;
mod client;
mod enterprise;
mod exchange;
mod issued;
mod jwt;
mod machine;
mod machine_server;
mod machine_tokens;
mod workload;

pub use authorization_server::AuthorizationServers;
pub use enterprise::{Enterprise, Explained, Target};
pub use issued::Description;
pub use machine::Grants;
pub use machine_server::MachineServer;
pub use machine_tokens::MachineTokens;
