//! The trace of a runtime on its way to JavaScript, and to the file of the operator.

use std::collections::VecDeque;
use std::mem::replace;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::context::CallContext;
use super::errors;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::trace::{Outlets, Tracer, Warn};

/// The file that gets a line for each record.
const TRACE_VARIABLE: &str = "MCP_NATIVE_TRACE";
const TRAFFIC_LISTENER: &str = "onTraffic";
/// What may wait for the listener, in bytes.
const MOST: usize = 8 * 1024 * 1024;
/// What the listener gets at once: records, and bytes of them.
const AT_ONCE: (usize, usize) = (500, 1024 * 1024);

/// Records for the host's listener, which are told in the context that the runtime was made in.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Inner>);

#[derive(Default)]
struct Inner {
    context: OnceLock<Arc<CallContext>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
    /// JavaScript's thread is going to take them.
    is_called_for: bool,
}

/// What a runtime traces with.
pub struct Tracing {
    pub tracer: Tracer,
    /// Absent where the host does not listen.
    pub traffic: Option<Traffic>,
    /// Why there is no file although the operator wants one.
    pub warning: Option<String>,
    /// Where there is a file: takes what hears of it if it fails later.
    pub warn: Option<Arc<OnceLock<Warn>>>,
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
    let warn = outlets.file.is_some().then(|| Arc::clone(&outlets.warn));
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
        warn,
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
        let size = lines.iter().map(String::len).sum::<usize>();
        let mut waiting = self.0.waiting.lock();
        if waiting.bytes + size > MOST {
            return false;
        }
        waiting.bytes += size;
        waiting.lines.extend(lines);
        if !replace(&mut waiting.is_called_for, true) {
            let (traffic, own) = (self.clone(), Arc::clone(context));
            context
                .thread
                .post_unhurried(move |scope| traffic.tell(&own, scope));
        }
        true
    }

    /// What has gathered while the listener was busy goes together; what is too much for that, in another turn.
    fn tell(self, context: &Arc<CallContext>, scope: Scope<'_>) {
        let (lines, goes_on) = self.next();
        context.inform(scope, TRAFFIC_LISTENER, || {
            let records = lines.iter().map(|line| scope.parse_json(line));
            let records: Vec<_> = records.collect::<JsResult<'_, _>>()?;
            let host = context.host(scope);
            context.apply(host.get(TRAFFIC_LISTENER)?, host, &[scope.array(&records)?])
        });
        if goes_on {
            let own = Arc::clone(context);
            context.thread.post(move |scope| self.tell(&own, scope));
        }
    }

    /// The next batch, and whether others follow.
    fn next(&self) -> (Vec<String>, bool) {
        let mut waiting = self.0.waiting.lock();
        let (mut lines, mut size) = (Vec::new(), 0);
        while lines.len() < AT_ONCE.0
            && let Some(line) = waiting.lines.front()
        {
            size += line.len();
            if size > AT_ONCE.1 && !lines.is_empty() {
                size -= line.len();
                break;
            }
            lines.extend(waiting.lines.pop_front());
        }
        waiting.bytes -= size;
        waiting.is_called_for = !waiting.lines.is_empty();
        (lines, waiting.is_called_for)
    }
}
