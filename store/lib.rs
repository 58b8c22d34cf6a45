//! What stored tokens need of other crates.

mod cipher;
mod database;

pub use cipher::{IV_BYTES, decrypt, encrypt};
pub use database::{Problem, Store, Transaction};
