//! Bytes to messages.

mod tap;

pub use tap::{RawResult, Tap};
