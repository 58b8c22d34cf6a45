//! What JavaScript sees: the only code that knows napi. Conversion of arguments, callbacks, errors, abort, logging.

mod abort;
mod call;
mod classes;
mod convert;
mod errors;
mod exchange;
mod host;
mod js;
mod log;
mod obo;
mod policy;
mod result;
mod runtime;
mod services;
mod thread;
mod types;
