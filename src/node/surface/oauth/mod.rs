//! `runtime.oauth`, `runtime.tokens` and `OAuthReconnectionManager`.

mod binding;
mod call;
mod flows;
mod handler;
mod reconnection;
mod redemption;
pub mod redemptions;
mod tokens;
mod types;

pub use handler::install;
