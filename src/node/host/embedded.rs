//! `createMCPRuntime({ config })`: a runtime without a host's registry.

use std::sync::Arc;

use crate::embedded::{
    Config, ConfigRegistry, Detections, Inspections, Loopback, StoredKey, TokenFile, VARIABLES,
    data_directory,
};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::marshal::{convert, errors};
use crate::settings::Settings;

/// What stands in for the host.
pub struct Embedded {
    config: Arc<Config>,
    detections: Arc<Detections>,
    inspections: Arc<Inspections>,
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
        inspections: Arc::default(),
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

    pub fn inspections(&self) -> Arc<Inspections> {
        Arc::clone(&self.inspections)
    }

    /// Puts in place what the host leaves out. The environment gets the variables that configurations name.
    pub fn attach<'env>(
        &self,
        host: &mut Host,
        scope: Scope<'env>,
        manager: &Manager,
    ) -> JsResult<'env, ()> {
        convert::read_variables(scope, &self.variables, &host.environment)?;
        convert::read_variables(scope, VARIABLES, &host.environment)?;
        host.registry = Arc::new(ConfigRegistry {
            config: Arc::clone(&self.config),
            detections: Arc::clone(&self.detections),
            http: manager.http().clone(),
            environment: host.environment.clone(),
            settings: Settings::from_environment(&host.environment),
        });
        if host.tokens.is_none() {
            let directory = data_directory(&host.environment);
            host.credentials_key = Arc::new(StoredKey {
                given: host.credentials_key.key().ok().flatten(),
                directory: directory.clone(),
            });
            let file = Arc::new(TokenFile::new(directory, Arc::clone(&host.credentials_key)));
            if host.lock.is_none() {
                host.lock = Some(Arc::clone(&file) as _);
            }
            host.tokens = Some(file);
        }
        if host.flows.as_ref().is_some_and(|flows| !flows.is_shared()) {
            host.redirects = Some(Arc::new(Loopback::new(&host.environment)));
        }
        Ok(())
    }
}
