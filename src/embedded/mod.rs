//! The traits of [`host`](crate::host) without any host.

mod config;
mod database;
mod flows;
mod inspections;
mod key;
mod loopback;
mod private;
mod registry;
mod tokens;

pub use config::Config;
pub use flows::MemoryFlows;
pub use inspections::Inspections;
pub use key::{StoredKey, data_directory};
pub use loopback::Loopback;
pub use registry::{ConfigRegistry, Detections};
pub use tokens::TokenFile;

/// Every variable that is read here, for the host to copy.
pub const VARIABLES: &[&str] = &[
    "HOME",
    "LOCALAPPDATA",
    loopback::PORT,
    "USERPROFILE",
    "XDG_DATA_HOME",
];
