//! Tokens on behalf of a user (OAuth 2.0 On-Behalf-Of, RFC 7523 with Entra's `requested_token_use`): the user's
//! federated token in, a token for one server out.
//!
//! [`Obo::exchange`] is the reference's `exchangeOboToken`: [`key`] says what a token belongs to, [`cache`] keeps it in
//! this process and, sealed, in the host's shared cache, [`tokens`] makes one exchange of many, [`exchange`] asks the
//! provider and [`answer`] reads what it says. [`Obo::token`] puts the reference's rules for servers on top: who may,
//! from which token, and what people are told when it fails. It fails closed: without a token there is an error, and
//! nothing to send.

mod answer;
mod cache;
mod challenge;
mod credentials;
mod entry;
mod exchange;
mod exchanges;
mod graph;
mod key;
mod resolution;
mod seal;
mod tokens;

pub use answer::{Failure, Grant, granted, invalid, read};
pub use challenge::claims_challenge;
pub use credentials::credentials;
pub use entry::Entry;
pub use exchange::{not_available, on_behalf_of, once_more};
pub use exchanges::{EXCHANGE_TIMEOUT, Exchange, ExchangedToken, Obo, exchange_failed};
pub use graph::GraphToken;
pub use key::{CacheKey, add_identity};
pub use resolution::{ServerToken, TokenUse, told};
pub use tokens::{ExchangedTokens, Exchanging, Wanted};
