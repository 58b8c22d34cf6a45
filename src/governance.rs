//! What operators decide about tools and their calls (`docs/governance.md`).

mod audit_file;
mod audit_record;
mod canonical;
mod filter;
mod guard;
pub(crate) mod overflow;
mod page;
mod pins;
mod shared_limits;
mod turns;
mod unavailable;

pub use audit_file::AuditFile;
pub use audit_record::{CallRecord, Decision, Rule, digest_of};
pub use canonical::canonical;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use filter::refusing;
pub use guard::Guard;
pub use pins::{
    Admission, Approval, Change, Listing, MemoryPins, PinScope, Reporter, UNLISTED, Watched,
    approve, tool_pins,
};
pub use shared_limits::{Counted, LimitedCall, SharedCalls, SharedTurn};
pub use turns::{Applicant, Turn, Turns, limited_as};
