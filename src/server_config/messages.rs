//! Texts of authorization servers that reject a client registration.

/// Vendors that answer with a text where RFC 6749 wants `invalid_client`.
const INVALID_CLIENT: [&str; 4] = [
    "invalid_client",
    "client_id mismatch",
    "client not found",
    "unknown client",
];

/// Whether the text says that the stored registration is no longer known.
#[must_use]
pub fn is_invalid_client_message(message: &str) -> bool {
    let message = message.to_lowercase();
    INVALID_CLIENT.iter().any(|text| message.contains(text))
}

/// Whether the text says that the client was rejected: the registration is unknown, or may not use the grant.
#[must_use]
pub fn is_client_rejection_message(message: &str) -> bool {
    is_invalid_client_message(message) || message.to_lowercase().contains("unauthorized_client")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        for (message, invalid, rejected) in [
            ("error: INVALID_CLIENT", true, true),
            ("Client ID mismatch", false, false),
            ("client_id mismatch", true, true),
            ("OAuth: Client not found!", true, true),
            ("Unknown client", true, true),
            ("unauthorized_client", false, true),
            ("invalid_grant", false, false),
        ] {
            assert_eq!(is_invalid_client_message(message), invalid, "{message}");
            assert_eq!(is_client_rejection_message(message), rejected, "{message}");
        }
    }
}
