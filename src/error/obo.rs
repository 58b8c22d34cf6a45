//! What is known of a failed on-behalf-of exchange.

/// Why there is no token on behalf of a user, in the reference's words (`OboTokenResolutionReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OboReason {
    MissingUpstreamProvider,
    MissingUpstreamToken,
    EmptyExchangeResponse,
    ExchangeFailed,
    SessionRefreshFailed,
}

impl OboReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingUpstreamProvider => "missing_upstream_provider",
            Self::MissingUpstreamToken => "missing_upstream_token",
            Self::EmptyExchangeResponse => "empty_exchange_response",
            Self::ExchangeFailed => "exchange_failed",
            Self::SessionRefreshFailed => "session_refresh_failed",
        }
    }
}

/// Who can do something about a failed exchange, beside the reference's reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OboDetail {
    /// A policy of the provider does not let this user have the token.
    AccessDenied,
    /// The provider did not accept the user's token: wrong audience, bad signature.
    BadAssertion,
    /// Our own credentials, or what this client may do.
    ClientCredentials,
    /// The host has no usable `OpenID` configuration.
    Configuration,
    ConsentRequired,
    ExpiredAssertion,
    /// The user has to sign in again, with a second factor say.
    InteractionRequired,
    /// The provider answered something that is no token answer.
    InvalidResponse,
    /// Scopes or resource are unknown, or not to be had together.
    InvalidScope,
    Throttled,
    Unavailable,
}

impl OboDetail {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::BadAssertion => "bad_assertion",
            Self::ClientCredentials => "client_credentials",
            Self::Configuration => "configuration",
            Self::ConsentRequired => "consent_required",
            Self::ExpiredAssertion => "expired_assertion",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidResponse => "invalid_response",
            Self::InvalidScope => "invalid_scope",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Who can mend an exchange of two steps, in which one word of a provider may mean several people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mender {
    /// By signing in again.
    User,
    /// Whoever wrote the server's config and registered its clients.
    Operator,
    /// Whoever administers the identity provider's policies.
    IdentityProvider,
    /// Whoever administers the server's authorization server.
    Server,
}

impl Mender {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::IdentityProvider => "identity_provider",
            Self::Server => "server",
        }
    }
}

/// A failed on-behalf-of exchange. Nothing here repeats a token or secret that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OboFailure {
    pub reason: OboReason,
    pub detail: Option<OboDetail>,
    /// Absent where nobody can, but for waiting, and for on-behalf-of, where `detail` says it.
    pub mended_by: Option<Mender>,
    /// What to tell the user; set where the reference throws its `OboTokenResolutionError`.
    pub user_message: Option<&'static str>,
    /// The claims that the host has to ask for in an interactive login, as they were received.
    pub claims: Option<String>,
    /// What the token endpoint said.
    pub answer: TokenError,
}

/// The harmless members of a token endpoint's error (RFC 6749, section 5.2, and Entra's additions).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenError {
    pub error: Option<String>,
    pub description: Option<String>,
    pub suberror: Option<String>,
    pub error_codes: Vec<i64>,
    pub trace_id: Option<String>,
    pub correlation_id: Option<String>,
}

impl OboFailure {
    #[must_use]
    pub fn new(reason: OboReason) -> Self {
        Self {
            reason,
            detail: None,
            mended_by: None,
            user_message: None,
            claims: None,
            answer: TokenError::default(),
        }
    }
}
