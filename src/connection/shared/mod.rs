//! Sessions that processes share: any of them goes on with one that another has begun, without a handshake.
//!
//! `docs/fleet.md` has the rules. Nobody is asked whether a session is alive: what is written says who made it and who has
//! used it, and a server that has forgotten it says so to the next request.

mod claim;
mod epoch;
mod keep;
mod key;
mod listen;
#[cfg(test)]
mod memory_store;
mod of_recipe;
mod open;
mod record;
mod share;
mod store;
#[cfg(test)]
mod tests;

pub use epoch::EpochMark;
pub use keep::Parting;
#[cfg(test)]
pub(crate) use memory_store::MemoryStore;
pub(super) use record::unique;
pub(super) use share::Share;
pub use store::{SharedSession, Sharing};
