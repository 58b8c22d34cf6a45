//! When calls are made: as many at a time, and as often, as a server's `limits` allow, those of its users in turn.
//!
//! Who waits is an entry in the queue of the server and has a channel to hear by; no task and no thread stands behind it. What
//! changes a queue (a call comes, ends or is given up, a period of a rate ends) hands out the places that are free then.

mod places;
mod queue;
mod refusal;
mod servers;
#[cfg(test)]
mod tests;
mod window;

pub use self::places::{Applicant, Turn, Turns};
pub use self::servers::{limited_as, name_of};
