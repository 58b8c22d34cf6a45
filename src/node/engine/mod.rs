//! Node-API: values, the JavaScript thread, promises, the executor, abort.

mod abort;
mod api;
mod array;
mod backlog;
mod exceptions;
mod executor;
mod function;
mod members;
mod prelude;
mod promise;
mod reference;
mod settled;
mod thread;
mod value;
pub mod workers;

pub use abort::AbortLink;
pub use backlog::Backlog;
pub use exceptions::raise;
pub use executor::StartBatch;
pub use members::{MemberValues, Names, Present};
pub use prelude::Helper;
pub use reference::JsRef;
pub use thread::JsThread;
pub use value::{JsResult, Scope, Thrown, Type, Value};
