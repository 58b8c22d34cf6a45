//! Tasks: tool calls that a server answers with a handle, and works on for as long as it takes (SEP-2663, the extension
//! `io.modelcontextprotocol/tasks` of MCP 2026-07-28; and MCP 2025-11-25, chapter "Tasks").
//!
//! The client asks how a task is doing until it has ended, so that no request lives long, and a task outlives its session.

mod call;
mod follow;
mod following;
mod handle;
mod kept;
mod state;
mod support;

pub use call::{TaskCall, TaskSink};
pub(super) use following::Following;
pub use handle::TaskHandle;
pub use kept::KeptRequest;
pub(super) use support::TaskTools;
