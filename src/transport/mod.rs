//! Bytes to messages.

mod bearer;
mod limits;
pub mod stdio;
mod streamable_http;
mod tap;

pub use bearer::Bearer;
pub use streamable_http::{CallHeaders, McpHttp, StreamableHttpOptions, streamable_http};
pub use tap::{RawResult, Tap};

/// JSON-RPC code of the error that stands for an answer over a limit, as in the reference.
pub const TOO_LARGE_RPC_CODE: i32 = -32000;
