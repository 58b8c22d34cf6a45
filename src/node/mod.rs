//! What JavaScript sees: the only code that knows napi. Conversion of arguments, callbacks, errors, abort, logging.

mod abort;
mod app_connections;
mod call;
mod calls;
mod classes;
mod connection;
mod convert;
mod errors;
mod exchange;
mod host;
mod inspect;
mod js;
mod log;
mod manager;
mod oauth;
mod obo;
mod policy;
mod registry_view;
mod result;
mod runtime;
mod server_requests;
mod services;
mod statics;
mod thread;
mod tool_calls;
mod types;
