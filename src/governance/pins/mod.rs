//! `pinTools`: which definitions of tools are approved, for each tenant (`docs/governance.md`).

mod definition;
mod diff;
mod record;
mod report;
mod scan;
mod store;
mod watch;

pub use record::{Approval, Change};
pub use report::Reporter;
pub use store::{MemoryPins, PinScope, approve, tool_pins};
pub use watch::{Admission, Listing, Pins, UNLISTED, Watched};
