//! Why there is no token, and who can mend that. One word of a token endpoint means one person at the identity provider,
//! and another at the server's authorization server.

use crate::error::{Code, Error, Mender, OboDetail, OboFailure, OboReason};
use crate::obo::{exchange_failed, told};

/// Which of the two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The ID token for an ID-JAG.
    IdentityProvider,
    /// The ID-JAG for an access token, and finding out where.
    Server,
}

impl Step {
    /// The failure of the step, as a failure of the exchange that names who can mend it.
    pub fn failed(self, error: Error) -> Error {
        let found = match error.code {
            // What documents say, and where they lead.
            Code::OAuthDiscoveryFailed if !error.retryable => Some(OboDetail::InvalidResponse),
            Code::AddressNotAllowed | Code::DomainNotAllowed => Some(OboDetail::Configuration),
            _ => None,
        };
        let mut error = exchange_failed(error);
        if let (Some(failure), Some(detail)) = (&mut error.obo, found) {
            failure.detail = Some(detail);
        }
        if let Some(failure) = &mut error.obo
            && failure.mended_by.is_none()
            && !error.retryable
        {
            failure.mended_by = Some(self.mender(failure));
            error.message = format!("{}: {}", self.place(), error.message);
        }
        error
    }

    const fn place(self) -> &'static str {
        match self {
            Self::IdentityProvider => "Identity provider",
            Self::Server => "Authorization server",
        }
    }

    fn mender(self, failure: &OboFailure) -> Mender {
        use OboDetail::{
            BadAssertion, ClientCredentials, Configuration, ExpiredAssertion, InteractionRequired,
            InvalidScope,
        };
        let administrator = match self {
            Self::IdentityProvider => Mender::IdentityProvider,
            Self::Server => Mender::Server,
        };
        match (self, failure.detail, failure.answer.error.as_deref()) {
            (_, Some(Configuration), _)
            | (_, Some(ClientCredentials), None | Some("invalid_client"))
            | (_, Some(InvalidScope), Some("invalid_scope")) => Mender::Operator,
            (
                Self::IdentityProvider,
                Some(BadAssertion | ExpiredAssertion | InteractionRequired),
                _,
            ) => Mender::User,
            _ => administrator,
        }
    }
}

/// A fault of the config or of the operator's client, found before anything was sent.
pub(super) fn configuration(message: &str) -> Error {
    Error::new(Code::OboExchangeFailed, message).with_obo(OboFailure {
        detail: Some(OboDetail::Configuration),
        ..OboFailure::new(OboReason::ExchangeFailed)
    })
}

/// The sign-in has no ID token that is good.
pub(super) fn missing_id_token() -> Error {
    let failure = OboFailure {
        mended_by: Some(Mender::User),
        ..OboFailure::new(OboReason::MissingUpstreamToken)
    };
    told(
        failure,
        "Your sign-in has no valid ID token. Please sign in again.",
        None,
    )
}

/// What a failed exchange comes to, with what the user is told.
pub(super) fn refused(cause: Error) -> Error {
    let failure = cause.obo.as_deref().cloned();
    let failure = failure.unwrap_or_else(|| OboFailure::new(OboReason::ExchangeFailed));
    let text = match failure.mended_by {
        None => "Temporary failure of the sign-in to this MCP server.",
        Some(Mender::User) => "The identity provider did not accept your sign-in.",
        Some(Mender::Operator) => "The sign-in to this MCP server is not set up correctly.",
        Some(Mender::IdentityProvider) => {
            "The identity provider does not give access to this MCP server."
        }
        Some(Mender::Server) => "This MCP server does not accept your identity provider's word.",
    };
    told(failure, text, Some(cause))
}

/// What is to be done about it.
pub(super) fn hint(error: &Error) -> &'static str {
    let failure = error.obo.as_deref();
    match failure.and_then(|failure| failure.mended_by) {
        _ if error.retryable => "Please retry.",
        Some(Mender::User) => "Please sign in again.",
        Some(Mender::Operator) => "Ask the operator to correct the server's configuration.",
        Some(Mender::IdentityProvider) => "Ask the administrator of the identity provider.",
        Some(Mender::Server) => "Ask the administrator of the MCP server.",
        None => match failure.map(|failure| failure.reason) {
            Some(OboReason::MissingUpstreamProvider) => {
                "Configure a renewable upstream credential provider before retrying."
            }
            Some(OboReason::SessionRefreshFailed) => "Please sign in again.",
            _ => "Re-authenticate the user and retry.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TokenError;

    fn mended_by(step: Step, detail: OboDetail, word: Option<&str>) -> Option<Mender> {
        let failure = OboFailure {
            detail: Some(detail),
            answer: TokenError {
                error: word.map(str::to_owned),
                ..TokenError::default()
            },
            ..OboFailure::new(OboReason::ExchangeFailed)
        };
        let error = Error::new(Code::OboExchangeFailed, "no").with_obo(failure);
        step.failed(error).obo.unwrap().mended_by
    }

    #[test]
    fn one_word_means_several_people() {
        use OboDetail::{
            AccessDenied, BadAssertion, ClientCredentials, Configuration, InvalidResponse,
            InvalidScope,
        };
        use Step::{IdentityProvider, Server};
        for (step, detail, word, expected) in [
            (
                IdentityProvider,
                BadAssertion,
                Some("invalid_grant"),
                Mender::User,
            ),
            (Server, BadAssertion, Some("invalid_grant"), Mender::Server),
            (
                IdentityProvider,
                ClientCredentials,
                Some("invalid_client"),
                Mender::Operator,
            ),
            (
                Server,
                ClientCredentials,
                Some("invalid_client"),
                Mender::Operator,
            ),
            (
                IdentityProvider,
                ClientCredentials,
                Some("unauthorized_client"),
                Mender::IdentityProvider,
            ),
            (
                Server,
                ClientCredentials,
                Some("unauthorized_client"),
                Mender::Server,
            ),
            (
                IdentityProvider,
                AccessDenied,
                Some("access_denied"),
                Mender::IdentityProvider,
            ),
            (
                IdentityProvider,
                InvalidScope,
                Some("invalid_target"),
                Mender::IdentityProvider,
            ),
            (
                IdentityProvider,
                InvalidScope,
                Some("invalid_scope"),
                Mender::Operator,
            ),
            (IdentityProvider, Configuration, None, Mender::Operator),
            (
                IdentityProvider,
                InvalidResponse,
                None,
                Mender::IdentityProvider,
            ),
            (
                Server,
                InvalidResponse,
                Some("unsupported_grant_type"),
                Mender::Server,
            ),
        ] {
            assert_eq!(
                mended_by(step, detail, word),
                Some(expected),
                "{step:?} {word:?}"
            );
        }
    }

    #[test]
    fn what_passes_is_mended_by_nobody() {
        let failed = Step::Server.failed(Error::timeout("late").with_retryable(true));
        assert_eq!(failed.obo.as_ref().unwrap().mended_by, None);
        assert_eq!(hint(&refused(failed)), "Please retry.");
    }
}
