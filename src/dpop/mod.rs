//! Proofs of possession (RFC 9449): what a request carries so that a token is of use to nobody but whoever has the key that
//! it was issued for.

mod nonces;
mod proof;
mod refusal;

pub use proof::{Proof, Prover};
pub use refusal::{INVALID_PROOF, clock_note, refusal_of, wants_nonce};

use http::HeaderName;

/// In `Authorization` and `WWW-Authenticate`, and the `token_type` of a token that is bound to a key.
pub const SCHEME: &str = "DPoP";
/// The one algorithm that proofs are signed with.
pub const ALG: &str = "ES256";
/// The header of a proof.
pub const HEADER: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
