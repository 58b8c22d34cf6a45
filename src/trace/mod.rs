//! What goes over the wires, for operators who want to see it: HTTP exchanges, JSON-RPC messages and the steps between
//! them, as lines of JSON (docs/trace.md).
//!
//! Whoever has something to tell hands a [`Record`](record::Record) to a queue. A thread makes lines of them, without the
//! secrets, and gives those to a file and to the host. Without either there is no queue, and a [`Source`] is empty.

mod exchange;
mod json;
mod known;
mod lines;
mod members;
mod outlets;
mod queue;
mod record;
mod redact;
mod source;
mod tracer;

pub use exchange::Exchange;
pub use json::Object;
pub use lines::{ms, time};
pub use outlets::{Deliver, Outlets, Warn};
pub use record::{Details, Purpose, detail};
pub use source::{Source, Tag};
pub use tracer::Tracer;

#[cfg(test)]
mod tests;
