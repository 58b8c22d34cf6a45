//! What JavaScript sees: the only code that knows napi. Conversion of arguments, callbacks, errors, abort, logging.

mod abort;
mod app_connections;
mod call;
mod calls;
mod connection;
mod convert;
mod errors;
mod host;
mod js;
mod log;
mod manager;
mod oauth;
mod registry_view;
mod result;
mod runtime;
mod server_requests;
mod services;
mod statics;
mod thread;
mod tool_calls;
mod types;
