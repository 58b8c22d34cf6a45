//! `createMCPRuntime({ config })`: a runtime without a host's registry.

use std::sync::Arc;

use super::convert;
use super::errors;
use super::js::{JsResult, Scope, Thrown, Value};
use crate::embedded::{Config, ConfigRegistry, Detections};
use crate::error::{Error, Result};
use crate::host::{Environment, Registry};
use crate::manager::Manager;
use crate::settings::Settings;

/// What stands in for the host.
pub struct Embedded {
    config: Arc<Config>,
    detections: Arc<Detections>,
    /// Environment variables that the configuration names.
    variables: Vec<String>,
}

/// `host.config`: the path of a `librechat.yaml`, or what one stands for. `None` for hosts with a registry.
pub fn read<'env>(scope: Scope<'env>, host: Value<'env>) -> JsResult<'env, Option<Embedded>> {
    let Some(given) = host.get("config")?.present() else {
        return Ok(None);
    };
    let config = match given.as_string() {
        Some(path) => from_file(&path),
        None => Config::from_value("config", given.to_json()?.unwrap_or_default()),
    };
    let config = config.map_err(|error| Thrown(errors::to_js(scope, &error)))?;
    Ok(Some(Embedded {
        variables: config.variables(),
        config: Arc::new(config),
        detections: Arc::default(),
    }))
}

fn from_file(path: &str) -> Result<Config> {
    let text = std::fs::read_to_string(path)
        .map_err(|problem| Error::invalid_config(format!("{path} cannot be read: {problem}")))?;
    Config::from_yaml(path, &text)
}

impl Embedded {
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// The registry as one call sees it; `environment` gets the variables that configurations name.
    pub fn registry<'env>(
        &self,
        scope: Scope<'env>,
        manager: &Manager,
        environment: &Environment,
    ) -> JsResult<'env, Arc<dyn Registry>> {
        convert::read_variables(scope, &self.variables, environment)?;
        Ok(Arc::new(ConfigRegistry {
            config: Arc::clone(&self.config),
            detections: Arc::clone(&self.detections),
            http: manager.http().clone(),
            environment: environment.clone(),
            settings: Settings::from_environment(environment),
        }))
    }
}
