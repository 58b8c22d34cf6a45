//! The variables that any call may need, copied from `process.env` when it starts.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::host::Environment;
use crate::network;
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Thrown, Value};
use crate::obo::Obo;
use crate::scheduler::Burst;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::transport::stdio::StdioWire;

/// Where `LibreChat` has the key of stored tokens.
pub const CREDENTIALS_VARIABLE: &str = "CREDS_KEY";

/// The key of stored tokens: the host's, else the variable's.
pub fn credentials_key<'env>(
    host: Value<'env>,
    environment: &Environment,
) -> JsResult<'env, Option<Secret>> {
    let given = host.get("credentialsKey")?.as_string();
    Ok(given
        .or_else(|| environment.get(CREDENTIALS_VARIABLE))
        .map(Secret::new))
}

/// Without a logger of the host, lines go to stderr from the level in this variable on.
pub const LOG_VARIABLE: &str = "MCP_NATIVE_LOG";

/// What was read, and what the operator has set with it.
#[derive(Clone)]
pub struct Variables {
    pub environment: Environment,
    pub settings: Arc<Settings>,
}

/// Reads variables once for all calls that JavaScript starts without a pause: there are dozens of them.
pub struct VariableReader {
    current: Arc<Mutex<Option<Variables>>>,
    /// What was read last, and its text; most reads find the same.
    last: Mutex<Option<(String, Variables)>>,
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
        Ok(Self {
            current,
            last: Mutex::default(),
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
        let text = scope.variable_text(&NAMES)?;
        let mut last = self.last.lock();
        let variables = match last.as_ref().filter(|(known, _)| *known == text) {
            Some((_, variables)) => variables.clone(),
            None => parse(&text).map_err(|reason| {
                Thrown(scope.error("Error", &format!("process.env cannot be read: {reason}")))
            })?,
        };
        *last = Some((text, variables.clone()));
        drop(last);
        *self.current.lock() = Some(variables.clone());
        self.forget.get(scope).soon()?;
        Ok(variables)
    }
}

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let lists: [&[&str]; 5] = [
        Settings::NAMES,
        network::VARIABLES,
        StdioWire::DEFAULT_ENVIRONMENT,
        Obo::GRAPH_VARIABLES,
        &[LOG_VARIABLE, CREDENTIALS_VARIABLE],
    ];
    lists.concat()
});

fn parse(text: &str) -> serde_json::Result<Variables> {
    let environment = Environment::of(serde_json::from_str(text)?);
    Ok(Variables {
        settings: Arc::new(Settings::from_environment(&environment)),
        environment,
    })
}
