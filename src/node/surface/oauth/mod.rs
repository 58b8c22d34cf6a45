//! `runtime.oauth`, `runtime.tokens` and `OAuthReconnectionManager`.

mod binding;
mod call;
mod client_keys;
mod flows;
mod handler;
mod reconnection;
mod redemption;
mod tokens;

pub use handler::install;
