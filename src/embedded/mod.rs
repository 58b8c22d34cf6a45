//! The traits of [`host`](crate::host) without any host.

mod config;
mod flows;
mod registry;

pub use config::Config;
pub use flows::MemoryFlows;
pub use registry::{ConfigRegistry, Detections};
