//! What a runtime tells about its work: each finished [`Operation`] is counted, and handed to the host's log, which
//! may pass it on as an event or a span.
//!
//! Labels are server names (bounded in number), transports, methods, outcomes and error codes: never a user, never a secret.

mod durations;
mod family;
mod methods;
mod metrics;
mod operation;
mod prometheus;
mod queues;

pub use methods::method_name;
pub use metrics::{Gauges, Metrics, Traffic};
pub use operation::{CLOSED, Details, Kind, LOST, OK, Operation, Started, TOOL_ERROR};
pub use queues::Queued;
