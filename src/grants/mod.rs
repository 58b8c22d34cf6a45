//! Tokens for servers that no user logs in to: which authorization server gives them, how it is asked, and how long a
//! token is kept.
//!
//! RFC 6749, section 4.4; RFC 9728, 8414, 8707.

pub mod authorization_server;
mod client_credentials;
mod exchange;
mod machine;
mod machine_tokens;

pub use machine::{Grants, MachineServer};
pub use machine_tokens::MachineTokens;
