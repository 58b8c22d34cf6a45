//! The one error type of the crate.
//!
//! An [`Error`] is cheap to clone, because one failed attempt is delivered to every call that waited for it.

mod host;
mod obo;

pub use host::{HostFault, HostValue};
pub use obo::{Mender, OboDetail, OboFailure, OboReason, TokenError};

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a stable code. `docs/errors.md` describes each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    Aborted,
    AddressNotAllowed,
    AuthenticationRefreshFailed,
    AuthenticationRejected,
    AuthorizationRequired,
    CallRefused,
    CircuitOpen,
    Closed,
    ConfigNotFound,
    ConnectionFailed,
    ConnectionLost,
    DomainNotAllowed,
    GrantFailed,
    HostError,
    HostTimeout,
    HttpStatus,
    InsufficientScope,
    Internal,
    InvalidArgument,
    InvalidConfig,
    InvalidResponse,
    MissingUserVars,
    OboClaimsChallenge,
    OboExchangeFailed,
    OboMissingUpstreamProvider,
    OboMissingUpstreamToken,
    OboNotTrusted,
    OboSessionRefreshFailed,
    OAuthDiscoveryFailed,
    OAuthExchangeFailed,
    OAuthFlowFailed,
    OAuthRefreshFailed,
    OAuthRegistrationFailed,
    OAuthRequired,
    OAuthRevocationFailed,
    OAuthTimeout,
    RateLimited,
    ReauthenticationRequired,
    ResponseTooLarge,
    ResultTooLarge,
    ServerError,
    SpawnFailed,
    Timeout,
    TokenRefreshUnavailable,
    TokenStorageUnavailable,
    TokenStore,
    ToolDenied,
    ToolHidden,
    ToolNotApproved,
    ToolsListBudget,
    ToolsListFailed,
    UserRequired,
}

impl Code {
    /// The `code` of the JavaScript error.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "MCP_ABORTED",
            Self::AddressNotAllowed => "MCP_ADDRESS_NOT_ALLOWED",
            Self::AuthenticationRefreshFailed => "MCP_AUTHENTICATION_REFRESH_FAILED",
            Self::AuthenticationRejected => "MCP_AUTHENTICATION_REJECTED",
            Self::AuthorizationRequired => "MCP_AUTHORIZATION_REQUIRED",
            Self::CallRefused => "MCP_CALL_REFUSED",
            Self::CircuitOpen => "MCP_CIRCUIT_OPEN",
            Self::Closed => "MCP_CLOSED",
            Self::ConfigNotFound => "MCP_CONFIG_NOT_FOUND",
            Self::ConnectionFailed => "MCP_CONNECTION_FAILED",
            Self::ConnectionLost => "MCP_CONNECTION_LOST",
            Self::DomainNotAllowed => "MCP_DOMAIN_NOT_ALLOWED",
            Self::GrantFailed => "MCP_GRANT_FAILED",
            Self::HostError => "MCP_HOST_ERROR",
            Self::HostTimeout => "MCP_HOST_TIMEOUT",
            Self::HttpStatus => "MCP_HTTP_STATUS",
            Self::InsufficientScope => "MCP_INSUFFICIENT_SCOPE",
            Self::Internal => "MCP_INTERNAL",
            Self::InvalidArgument => "MCP_INVALID_ARGUMENT",
            Self::InvalidConfig => "MCP_INVALID_CONFIG",
            Self::InvalidResponse => "MCP_INVALID_RESPONSE",
            Self::MissingUserVars => "MCP_MISSING_USER_VARS",
            Self::OboClaimsChallenge => "OBO_CLAIMS_CHALLENGE",
            Self::OboExchangeFailed => "OBO_EXCHANGE_FAILED",
            Self::OboMissingUpstreamProvider => "OBO_MISSING_UPSTREAM_PROVIDER",
            Self::OboMissingUpstreamToken => "OBO_MISSING_UPSTREAM_TOKEN",
            Self::OboNotTrusted => "OBO_NOT_TRUSTED",
            Self::OboSessionRefreshFailed => "OBO_SESSION_REFRESH_FAILED",
            Self::OAuthDiscoveryFailed => "MCP_OAUTH_DISCOVERY_FAILED",
            Self::OAuthExchangeFailed => "MCP_OAUTH_EXCHANGE_FAILED",
            Self::OAuthFlowFailed => "MCP_OAUTH_FLOW_FAILED",
            Self::OAuthRefreshFailed => "MCP_OAUTH_REFRESH_FAILED",
            Self::OAuthRegistrationFailed => "MCP_OAUTH_REGISTRATION_FAILED",
            Self::OAuthRequired => "MCP_OAUTH_REQUIRED",
            Self::OAuthRevocationFailed => "MCP_OAUTH_REVOCATION_FAILED",
            Self::OAuthTimeout => "MCP_OAUTH_TIMEOUT",
            Self::RateLimited => "MCP_RATE_LIMITED",
            Self::ReauthenticationRequired => "MCP_REAUTHENTICATION_REQUIRED",
            Self::ResponseTooLarge => "MCP_RESPONSE_TOO_LARGE",
            Self::ResultTooLarge => "MCP_RESULT_TOO_LARGE",
            Self::ServerError => "MCP_SERVER_ERROR",
            Self::SpawnFailed => "MCP_SPAWN_FAILED",
            Self::Timeout => "MCP_TIMEOUT",
            Self::TokenRefreshUnavailable => "MCP_TOKEN_REFRESH_UNAVAILABLE",
            Self::TokenStorageUnavailable => "MCP_TOKEN_STORAGE_UNAVAILABLE",
            Self::TokenStore => "MCP_TOKEN_STORE",
            Self::ToolDenied => "MCP_TOOL_DENIED",
            Self::ToolHidden => "MCP_TOOL_HIDDEN",
            Self::ToolNotApproved => "MCP_TOOL_NOT_APPROVED",
            Self::ToolsListBudget => "MCP_TOOLS_LIST_BUDGET",
            Self::ToolsListFailed => "MCP_TOOLS_LIST_FAILED",
            Self::UserRequired => "MCP_USER_REQUIRED",
        }
    }

    /// Whether the same call may succeed later without anybody changing a configuration.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::CircuitOpen
                | Self::ConnectionFailed
                | Self::ConnectionLost
                | Self::HostTimeout
                | Self::OAuthRequired
                | Self::OAuthTimeout
                | Self::RateLimited
                | Self::Timeout
                | Self::TokenRefreshUnavailable
                | Self::TokenStorageUnavailable
        )
    }
}

/// How the messages of the MCP SDK's `McpError` begin.
const MCP_ERROR_PREFIX: &str = "MCP error ";

/// An error of the runtime: a stable code, a message for people, and what is known beside it.
///
/// Messages never carry tokens, secrets, query strings or raw bodies of token endpoints.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: Code,
    pub message: String,
    /// Whether trying again may help; starts as [`Code::is_transient`].
    pub retryable: bool,
    /// After how many milliseconds trying again may help, where that is known.
    pub retry_after_ms: Option<u32>,
    /// HTTP status of the answer that caused the error.
    pub status: Option<u16>,
    /// JSON-RPC error code where the reference throws an `McpError` (-32600, -32603) or the server sent one.
    pub rpc_code: Option<i64>,
    /// What the server's JSON-RPC error carries, once it was judged. Not for logs.
    pub data: Option<Box<Value>>,
    /// The `WWW-Authenticate` challenge of a 401 or 403 (RFC 9110, section 11.6.1).
    pub challenge: Option<String>,
    /// What else is known of a failed on-behalf-of exchange.
    pub obo: Option<Box<OboFailure>>,
    pub cause: Option<Cause>,
}

/// Where an error came from.
#[derive(Debug, Clone)]
pub enum Cause {
    /// A host callback threw; the JavaScript value goes back to the caller untouched.
    Host(Box<HostFault>),
    Error(Arc<Error>),
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: code.is_transient(),
            retry_after_ms: None,
            status: None,
            rpc_code: None,
            data: None,
            challenge: None,
            obo: None,
            cause: None,
        }
    }

    #[must_use]
    pub fn aborted() -> Self {
        Self::new(Code::Aborted, "The operation was aborted")
    }

    #[must_use]
    pub fn closed() -> Self {
        Self::new(Code::Closed, "The MCP runtime is closed")
    }

    /// A panic, or work that was dropped before it came to anything.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Code::Internal, "Internal error")
    }

    /// An error that the reference throws as the MCP SDK's `McpError`, with that class's text.
    #[must_use]
    pub fn mcp(code: Code, rpc_code: i64, text: &str) -> Self {
        Self::new(code, format!("{MCP_ERROR_PREFIX}{rpc_code}: {text}")).with_rpc_code(rpc_code)
    }

    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Code::Timeout, message)
    }

    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, message)
    }

    /// An HTTP answer that is no success. 429 is rate limiting, 401 and 403 want authorization, 5xx may pass.
    #[must_use]
    pub fn http_status(status: u16, message: impl Into<String>) -> Self {
        let code = match status {
            401 | 403 => Code::AuthorizationRequired,
            429 => Code::RateLimited,
            _ => Code::HttpStatus,
        };
        let mut error = Self::new(code, message);
        error.status = Some(status);
        error.retryable = error.retryable || status >= 500;
        error
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    #[must_use]
    pub fn with_rpc_code(mut self, rpc_code: i64) -> Self {
        self.rpc_code = Some(rpc_code);
        self
    }

    #[must_use]
    pub fn with_challenge(mut self, challenge: Option<String>) -> Self {
        self.challenge = challenge;
        self
    }

    #[must_use]
    pub const fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        let milliseconds = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        self.retry_after_ms = Some(milliseconds.max(1));
        self
    }

    #[must_use]
    pub fn with_obo(mut self, failure: OboFailure) -> Self {
        self.obo = Some(Box::new(failure));
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Cause::Error(Arc::new(cause)));
        self
    }

    #[must_use]
    pub fn caused_by_host(mut self, fault: HostFault) -> Self {
        self.cause = Some(Cause::Host(Box::new(fault)));
        self
    }

    /// Whether the reference throws this as an `McpError`.
    #[must_use]
    pub fn is_mcp_error(&self) -> bool {
        self.rpc_code.is_some() && self.message.starts_with(MCP_ERROR_PREFIX)
    }

    /// A 401 or 403 of the MCP server.
    #[must_use]
    pub const fn wants_authorization(&self) -> bool {
        matches!(self.code, Code::AuthorizationRequired)
    }

    /// Whether only the user can help: the server wants authorization, or the flow that asks for it came to nothing.
    #[must_use]
    pub const fn wants_user(&self) -> bool {
        matches!(
            self.code,
            Code::AuthorizationRequired
                | Code::InsufficientScope
                | Code::OAuthDiscoveryFailed
                | Code::OAuthExchangeFailed
                | Code::OAuthFlowFailed
                | Code::OAuthRegistrationFailed
                | Code::OAuthRequired
                | Code::OAuthTimeout
                | Code::ReauthenticationRequired
        )
    }

    /// What all this began with.
    #[must_use]
    pub fn innermost(&self) -> &Self {
        match &self.cause {
            Some(Cause::Error(inner)) => inner.innermost(),
            _ => self,
        }
    }

    /// The server's 401 or 403, where one led to this error.
    #[must_use]
    pub fn refusal(&self) -> Option<&Self> {
        match &self.cause {
            _ if self.wants_authorization() => Some(self),
            Some(Cause::Error(inner)) => inner.refusal(),
            _ => None,
        }
    }

    /// The fault of a host callback, where one caused this error.
    #[must_use]
    pub fn host_fault(&self) -> Option<&HostFault> {
        match self.cause.as_ref()? {
            Cause::Host(fault) => Some(fault),
            Cause::Error(inner) => inner.host_fault(),
        }
    }
}

/// Boxed where there is seldom one, and much else beside it.
impl From<Box<Self>> for Error {
    fn from(error: Box<Self>) -> Self {
        *error
    }
}

#[cfg(test)]
mod tests {
    /// The codes as they stand in [`super::Code::as_str`], so that none can be forgotten here.
    #[test]
    fn every_code_is_documented() {
        let (source, page) = (include_str!("error.rs"), include_str!("../docs/errors.md"));
        let codes: Vec<_> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1))
            .filter(|code| code.starts_with("MCP_") || code.starts_with("OBO_"))
            .collect();
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            assert!(page.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
