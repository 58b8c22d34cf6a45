//! `createMCPRuntime({ config })`: a runtime without a host's registry.

use std::sync::Arc;

use crate::embedded::{
    ConfigRegistry, Edition, LiveConfig, Loopback, StoredKey, TokenFile, VARIABLES, data_directory,
};
use crate::host::{Environment, Host};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::marshal::environment::{CREDENTIALS_VARIABLE, credentials_key};
use crate::node::marshal::{convert, errors};
use crate::oauth::Cipher;
use crate::secret::Secret;
use crate::settings::Settings;

/// `host.config`: the path of a `librechat.yaml`, or what one stands for. `None` for hosts with a registry.
pub fn read<'env>(
    scope: Scope<'env>,
    host: Value<'env>,
) -> JsResult<'env, Option<Arc<LiveConfig>>> {
    let Some(given) = host.get("config")?.present() else {
        return Ok(None);
    };
    let config = match given.as_string() {
        Some(path) => LiveConfig::of_file(&path),
        None => LiveConfig::of_value(given.to_json()?.unwrap_or_default()),
    };
    let config = config.map_err(|error| Thrown(errors::to_js(scope, &error)))?;
    check_key(scope, host)?;
    Ok(Some(Arc::new(config)))
}

/// A key that is none is an error before a user has logged in for it.
fn check_key<'env>(scope: Scope<'env>, host: Value<'env>) -> JsResult<'env, ()> {
    let environment = Environment::default();
    convert::read_variables(scope, &[CREDENTIALS_VARIABLE], &environment)?;
    let key = credentials_key(host, &environment)?.filter(is_given);
    let checked = key.map_or(Ok(()), |key| Cipher::new(Some(&key)).map(drop));
    checked.map_err(|error| Thrown(errors::to_js(scope, &error)))
}

/// A variable may stand in a file without a value.
fn is_given(key: &Secret) -> bool {
    !key.expose().trim().is_empty()
}

/// Puts in place what the host leaves out. The environment gets the variables that configurations name.
pub fn attach<'env>(
    edition: &Arc<Edition>,
    host: &mut Host,
    scope: Scope<'env>,
    manager: &Manager,
) -> JsResult<'env, ()> {
    convert::read_variables(scope, &edition.variables, &host.environment)?;
    convert::read_variables(scope, VARIABLES, &host.environment)?;
    host.registry = Arc::new(ConfigRegistry {
        edition: Arc::clone(edition),
        http: manager.http().clone(),
        environment: host.environment.clone(),
        settings: Settings::from_environment(&host.environment),
    });
    host.rules = Ok(edition.config.tool_rules.clone());
    if host.tokens.is_none() {
        let directory = data_directory(&host.environment);
        host.credentials_key = Arc::new(StoredKey {
            given: host.credentials_key.key().ok().flatten().filter(is_given),
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
