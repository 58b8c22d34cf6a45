//! One user's rows for one server in `LibreChat`'s token collection, byte-compatible with
//! `packages/api/src/mcp/oauth/tokens.ts` in both directions.
//!
//! Access token, refresh token and client are three rows. Which of them belong together says the credential set in
//! their metadata: every login and every refresh makes a new one. Rows of older `LibreChat`s have none.

mod attempts;
mod commit;
mod delete;
mod keys;
mod read;
mod records;
mod rejection;
mod rows;
mod seen;
mod store;
mod write;

pub use commit::{Unwitnessed, Witness};
pub use records::{Grant, StoredAccess, StoredClient};
pub use seen::{Seen, SeenAccess};
pub use store::{Storage, unbound};
