//! `runtime.oauth`, `runtime.tokens` and `OAuthReconnectionManager`.

mod binding;
mod call;
mod flows;
mod handler;
mod reconnection;
mod redemption;
pub mod redemptions;
mod tokens;

pub use handler::install;
