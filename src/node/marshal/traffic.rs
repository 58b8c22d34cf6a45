//! The trace of a runtime on its way to JavaScript, and to the file of the operator.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::context::CallContext;
use super::errors;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::trace::{Outlets, Tracer};

/// The file that gets a line for each record.
const TRACE_VARIABLE: &str = "MCP_NATIVE_TRACE";
const TRAFFIC_LISTENER: &str = "onTraffic";
/// What may wait for the listener, in bytes.
const MOST: usize = 8 * 1024 * 1024;

/// Records for the host's listener, which are told in the context that the runtime was made in.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Inner>);

#[derive(Default)]
struct Inner {
    context: OnceLock<Arc<CallContext>>,
    /// Bytes that wait.
    waiting: AtomicUsize,
}

/// What a runtime traces with.
pub struct Tracing {
    pub tracer: Tracer,
    /// Absent where the host does not listen.
    pub traffic: Option<Traffic>,
    /// Why there is no file although the operator wants one.
    pub warning: Option<String>,
}

/// Reads what the host and the operator want to be traced.
pub fn read<'env>(scope: Scope<'env>, host: Value<'env>) -> JsResult<'env, Tracing> {
    let traffic = host
        .get(TRAFFIC_LISTENER)?
        .is_function()
        .then(Traffic::default);
    let variables = scope.global()?.get("process")?.get("env")?;
    let path = variables.get(TRACE_VARIABLE)?.as_string();
    let path = path.filter(|path| !path.is_empty());
    let (mut outlets, mut warning) = (Outlets::default(), None);
    if let Some(path) = path {
        match Outlets::open(Path::new(&path)) {
            Ok(file) => outlets.file = Some(file),
            Err(error) => {
                warning = Some(format!(
                    "[MCP] {TRACE_VARIABLE}: nothing is traced to {path}: {error}"
                ));
            }
        }
    }
    if let Some(traffic) = &traffic {
        let traffic = traffic.clone();
        outlets.host = Some(Box::new(move |lines| traffic.deliver(lines)));
    }
    let is_on = outlets.file.is_some() || outlets.host.is_some();
    let tracer = if is_on {
        Tracer::to(outlets).map_err(|error| Thrown(errors::to_js(scope, &error)))?
    } else {
        Tracer::default()
    };
    Ok(Tracing {
        tracer,
        traffic,
        warning,
    })
}

impl Traffic {
    /// Before anything is told.
    pub fn tell_in(&self, context: CallContext) {
        let _ = self.0.context.set(Arc::new(context));
    }

    fn deliver(&self, lines: Vec<String>) -> bool {
        let Some(context) = self.0.context.get() else {
            return true;
        };
        let size = lines.iter().map(String::len).sum();
        if self.0.waiting.fetch_add(size, Ordering::Relaxed) + size > MOST {
            self.0.waiting.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        let (inner, context) = (Arc::clone(&self.0), Arc::clone(context));
        context.thread.clone().post_unhurried(move |scope| {
            inner.waiting.fetch_sub(size, Ordering::Relaxed);
            context.inform(scope, TRAFFIC_LISTENER, || {
                let records = lines.iter().map(|line| scope.parse_json(line));
                let records: Vec<_> = records.collect::<JsResult<'_, _>>()?;
                let host = context.host(scope);
                context.apply(host.get(TRAFFIC_LISTENER)?, host, &[scope.array(&records)?])
            });
        });
        true
    }
}
