//! Configs of the host's registry, which gives the same to one call after another.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::convert::read_variables;
use crate::host::Environment;
use crate::node::engine::{JsResult, Value};
use crate::server_config::{RawConfig, ServerConfig};

/// How many are kept; when there are more, all are read again.
const MOST: usize = 256;
/// How long the text of one that is kept may be, in bytes.
const LONGEST: usize = 16 * 1024;

/// Those that were read, by their text.
#[derive(Default)]
pub struct RawConfigs(Mutex<HashMap<String, Arc<RawConfig>>>);

impl RawConfigs {
    /// The members of a config that the core reads, and with them the environment variables they name, as they are now.
    pub fn read<'env>(
        &self,
        value: Value<'env>,
        environment: &Environment,
    ) -> JsResult<'env, Option<Arc<RawConfig>>> {
        if !value.is_object() {
            return Ok(None);
        }
        let text = value.config_text(ServerConfig::MEMBERS)?;
        let known = self.0.lock().get(&text).cloned();
        let config = if let Some(known) = known {
            known
        } else {
            let config = Arc::new(RawConfig::from(value.members(&text)?));
            self.keep(text, &config);
            config
        };
        read_variables(value.scope(), config.variables(), environment)?;
        Ok(Some(config))
    }

    fn keep(&self, text: String, config: &Arc<RawConfig>) {
        if text.len() > LONGEST {
            return;
        }
        let mut kept = self.0.lock();
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(text, Arc::clone(config));
    }
}
