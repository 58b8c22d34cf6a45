//! Bytes to messages.

pub mod stdio;
mod tap;

pub use tap::{RawResult, Tap};
