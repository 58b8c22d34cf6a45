//! The traits of [`host`](crate::host) without any host.

mod config;
mod config_file;
mod database;
mod detections;
mod edition;
mod flows;
mod inspections;
mod key;
mod live;
mod loopback;
mod nesting;
mod private;
mod registry;
mod tokens;
mod tool_pins;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use config::Config;
pub use edition::Edition;
pub use flows::MemoryFlows;
pub use key::{StoredKey, data_directory};
pub use live::LiveConfig;
pub use loopback::Loopback;
pub use registry::ConfigRegistry;
pub use tokens::TokenFile;
pub use tool_pins::PinFiles;

/// Every variable that is read here, for the host to copy.
pub const VARIABLES: &[&str] = &[
    "HOME",
    "LOCALAPPDATA",
    loopback::PORT,
    "USERPROFILE",
    "XDG_DATA_HOME",
];
