//! What waits for JavaScript's thread, and how much of it goes at once; knows nothing of Node-API.

mod admission;
mod job_queue;
#[cfg(test)]
mod tests;
mod text_queue;

pub use admission::{Burst, SLICE};
pub use job_queue::{Drain, JobQueue};
pub use text_queue::TextQueue;
