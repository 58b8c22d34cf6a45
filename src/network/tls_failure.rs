//! What goes wrong in TLS, in words, and with the member of `tls` that mends it.

use std::fmt;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};

/// As many names of a certificate as are told.
const MOST_NAMES: usize = 5;
const TRUST_IT: &str =
    "an operator who knows it names it in the server's `tls.ca`, or in NODE_EXTRA_CA_CERTS";

/// Nobody but itself vouches for a certificate.
#[derive(Debug)]
pub(super) struct SelfSigned;

impl fmt::Display for SelfSigned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("self-signed certificate")
    }
}

impl std::error::Error for SelfSigned {}

/// What happened. `sends_certificate`: whether the server was offered a client certificate.
pub(super) fn in_words(error: &Error, sends_certificate: bool) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert, sends_certificate),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the port does not speak TLS: write http:// (or ws://) if the server speaks plain HTTP, or name the port that \
             does"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// Whether another attempt would end the same way.
pub(super) fn is_final(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(_) => true,
        Error::AlertReceived(alert) => {
            is_about_certificates(*alert)
                || matches!(
                    alert,
                    AlertDescription::HandshakeFailure
                        | AlertDescription::ProtocolVersion
                        | AlertDescription::UnrecognisedName
                )
        }
        _ => false,
    }
}

/// Whether the name is wrong that the server is asked for.
pub(super) const fn is_of_name(error: &Error) -> bool {
    matches!(
        error,
        Error::AlertReceived(AlertDescription::UnrecognisedName)
            | Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
    )
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "the server's certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired ({})", day(*not_after))
        }
        CertificateError::NotValidYet => "the server's certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid yet (before {}): compare the clocks",
            day(*not_before)
        ),
        CertificateError::UnknownIssuer => format!(
            "no authority that is trusted here has signed the server's certificate: {TRUST_IT}"
        ),
        CertificateError::Other(OtherError(cause)) if cause.is::<SelfSigned>() => {
            format!("the server's certificate is self-signed: {TRUST_IT}")
        }
        CertificateError::NotValidForName => {
            "the server's certificate is for another host".to_owned()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names = presented.iter().take(MOST_NAMES).map(|name| bare(name));
            let names = match names.collect::<Vec<_>>() {
                names if names.is_empty() => "names no host".to_owned(),
                names => format!("is for {}", names.join(", ")),
            };
            format!(
                "the server's certificate {names}, and not for {}",
                expected.to_str()
            )
        }
        other => format!("the server's certificate cannot be used: {other}"),
    }
}

fn of_alert(alert: AlertDescription, sends_certificate: bool) -> String {
    let what = match alert {
        AlertDescription::CertificateRequired => "wants a client certificate",
        AlertDescription::HandshakeFailure if !sends_certificate => {
            "refused the TLS handshake, maybe for want of a client certificate"
        }
        alert if is_about_certificates(alert) && !sends_certificate => {
            "refused the connection for want of a client certificate"
        }
        AlertDescription::CertificateExpired => "finds the client certificate expired",
        AlertDescription::CertificateRevoked => "finds the client certificate revoked",
        AlertDescription::UnknownCA => "does not know the authority of the client certificate",
        alert if is_about_certificates(alert) => "refused the client certificate",
        AlertDescription::HandshakeFailure => "refused the TLS handshake",
        AlertDescription::ProtocolVersion => {
            return "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned();
        }
        AlertDescription::UnrecognisedName => {
            return "the server knows no host of this name".to_owned();
        }
        other => return format!("the server ended TLS with the alert {other:?}"),
    };
    let member = if sends_certificate {
        "see `tls.cert` and the certificates after it"
    } else {
        "an operator sets `tls.cert` and `tls.key`"
    };
    format!("the server {what}: {member}")
}

const fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |it| it.date_naive().to_string(),
    )
}

/// `x.test` of `DnsName("x.test")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn words_say_what_and_which_member() {
        let certificate = |error| Error::InvalidCertificate(error);
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let wrong_name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.test").unwrap(),
            presented: vec![
                "DnsName(\"b.test\")".to_owned(),
                "IpAddress(10.0.0.1)".to_owned(),
            ],
        };
        let expired = CertificateError::ExpiredContext {
            time: at(2_000_000_000),
            not_after: at(1_000_000_000),
        };
        let self_signed = CertificateError::Other(OtherError(std::sync::Arc::new(SelfSigned)));
        for (error, sends, expected) in [
            (
                certificate(wrong_name),
                false,
                &["b.test, 10.0.0.1", "not for a.test"][..],
            ),
            (certificate(expired), false, &["expired (2001-09-09)"]),
            (certificate(self_signed), false, &["self-signed", "tls.ca"]),
            (
                certificate(CertificateError::UnknownIssuer),
                false,
                &["no authority", "tls.ca"],
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                false,
                &["wants a client certificate", "tls.cert"],
            ),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                false,
                &["for want of", "tls.cert"],
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                true,
                &["authority of the client certificate", "tls.cert"],
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateExpired),
                true,
                &["client certificate expired"],
            ),
        ] {
            let words = in_words(&error, sends);
            for part in expected {
                assert!(words.contains(part), "{words}");
            }
            assert!(is_final(&error), "{words}");
        }
        assert!(!is_final(&Error::AlertReceived(
            AlertDescription::InternalError
        )));
    }
}
