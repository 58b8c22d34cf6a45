//! What a call asks of an exchange.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::obo::TokenUse;

/// How one call asks for a token.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    pub purpose: TokenUse<'a>,
    /// How long the exchange may take; else [`EXCHANGE_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// Whether the requests are tool calls, which may have headers of their own.
    pub of_tool_call: bool,
    pub cancel: &'a CancellationToken,
}
