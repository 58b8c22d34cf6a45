//! The traits of [`host`](crate::host) without any host.

mod flows;

pub use flows::MemoryFlows;
