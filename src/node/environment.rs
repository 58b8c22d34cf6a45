//! The variables that any call may need, copied from `process.env` when it starts.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::burst::Burst;
use super::js::{JsResult, Scope};
use super::oauth::CREDENTIALS_VARIABLE;
use super::thread::{JsRef, JsThread};
use crate::host::Environment;
use crate::network;
use crate::obo::Obo;
use crate::settings::Settings;
use crate::transport::stdio::StdioTransport;

/// Without a logger of the host, lines go to stderr from the level in this variable on.
pub const LOG_VARIABLE: &str = "MCP_NATIVE_LOG";

/// What was read, and what the operator has set with it.
#[derive(Clone)]
pub struct Variables {
    pub environment: Environment,
    pub settings: Settings,
}

/// Reads variables once for all calls that JavaScript starts without a pause. Each read crosses to JavaScript and to the
/// C library, and there are dozens of them.
pub struct VariableReader {
    current: Arc<Mutex<Option<Variables>>>,
    /// What was read last; most reads find the same.
    last: Mutex<Option<Variables>>,
    queue_microtask: JsRef,
    forget: JsRef,
}

impl VariableReader {
    /// `burst` is told about pauses, too.
    pub fn new<'env>(
        thread: &JsThread,
        scope: Scope<'env>,
        burst: &Arc<Mutex<Burst>>,
    ) -> JsResult<'env, Self> {
        let current: Arc<Mutex<Option<Variables>>> = Arc::default();
        let (seen, burst) = (Arc::clone(&current), Arc::clone(burst));
        let forget = scope.function("pause", move |scope, _, _| {
            seen.lock().take();
            burst.lock().pause();
            Ok(scope.undefined())
        })?;
        let queue_microtask = scope.global()?.get("queueMicrotask")?;
        Ok(Self {
            current,
            last: Mutex::default(),
            queue_microtask: JsRef::new(thread, queue_microtask)?,
            forget: JsRef::new(thread, forget)?,
        })
    }

    /// The variables as they are now.
    pub fn read<'env>(&self, scope: Scope<'env>) -> JsResult<'env, Variables> {
        let known = self.current.lock().clone();
        let variables = match known {
            Some(known) => known,
            None => self.read_anew(scope)?,
        };
        Ok(Variables {
            environment: variables.environment.fork(),
            ..variables
        })
    }

    fn read_anew<'env>(&self, scope: Scope<'env>) -> JsResult<'env, Variables> {
        let found = read_all(scope)?;
        let mut last = self.last.lock();
        let same = last
            .as_ref()
            .filter(|known| known.environment.is(&found))
            .cloned();
        let variables = same.unwrap_or_else(|| {
            let environment = Environment::of(found);
            Variables {
                settings: Settings::from_environment(&environment),
                environment,
            }
        });
        *last = Some(variables.clone());
        drop(last);
        *self.current.lock() = Some(variables.clone());
        self.queue_microtask
            .get(scope)
            .call(scope.undefined(), &[self.forget.get(scope)])?;
        Ok(variables)
    }
}

fn read_all(scope: Scope<'_>) -> JsResult<'_, HashMap<String, String>> {
    let process_env = scope.global()?.get("process")?.get("env")?;
    let lists: [&[&str]; 5] = [
        Settings::NAMES,
        network::VARIABLES,
        StdioTransport::DEFAULT_ENVIRONMENT,
        Obo::GRAPH_VARIABLES,
        &[LOG_VARIABLE, CREDENTIALS_VARIABLE],
    ];
    let mut variables = HashMap::new();
    for name in lists.into_iter().flatten() {
        if let Some(value) = process_env.get(name)?.as_string() {
            variables.insert((*name).to_owned(), value);
        }
    }
    Ok(variables)
}
