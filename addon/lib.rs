//! The addon that is published. Everything is in the crate at the root.

pub use librechat_mcp_native::*;
