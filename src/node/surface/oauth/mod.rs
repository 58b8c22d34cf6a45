//! `runtime.oauth`, `runtime.tokens` and `OAuthReconnectionManager`.

mod binding;
mod call;
mod flows;
mod handler;
mod reconnection;
mod redemption;
mod tokens;

pub use handler::install;
