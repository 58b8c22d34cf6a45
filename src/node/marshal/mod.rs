//! JavaScript values to ours and back: the context of a call, callbacks, errors, classes, environment, log, listeners.

pub mod arguments;
pub mod callback;
pub mod callee;
pub mod classes;
pub mod context;
pub mod convert;
pub mod environment;
pub mod errors;
pub mod from_js;
pub mod inform;
pub mod listeners;
pub mod log;
pub mod log_buffer;
pub mod newer_params;
pub mod operations;
pub mod params;
pub mod raw_configs;
pub mod services;
pub mod stderr_log;
pub mod to_js;
pub mod traffic;
