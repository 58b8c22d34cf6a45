//! Streamable HTTP (MCP, chapter "Transports"): a request is one POST, which the task of the call sends and whose answer
//! it reads. Between requests there is nothing but data, and one small task where the server has a GET stream.
//!
//! Headers belong to a request, not to the connection: those of the connection's recipe are the base, and a call puts
//! its own over them.

mod body_kind;
mod get_stream;
mod http;
mod listen_stream;
mod post;
mod refused_stream;
mod resume;
mod session;

pub use http::StreamableHttp;
pub use post::Posted;
pub use refused_stream::StreamRefusal;
pub use session::HttpSession;
