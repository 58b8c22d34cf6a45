//! The arguments of a function of `runtime.oauth` or `runtime.tokens`, and what the host has for it.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::flows::NodeFlows;
use super::token_store::NodeTokens;
use crate::error::Result;
use crate::host::{Environment, FlowStore, Logger, NetworkRules, TokenStore};
use crate::network::HttpClient;
use crate::node::engine::{JsResult, Scope, Type, Value};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert;
use crate::node::marshal::environment::CREDENTIALS_VARIABLE;
use crate::oauth::{Endpoints, Storage};
use crate::secret::Secret;
use crate::settings::Settings;

/// Those of one call, still to be read.
pub struct Arguments<'env> {
    pub scope: Scope<'env>,
    pub context: Arc<CallContext>,
    pub environment: Environment,
    pub logger: Logger,
    pub http: HttpClient,
    pub values: Vec<Value<'env>>,
}

impl<'env> Arguments<'env> {
    pub fn settings(&self) -> Settings {
        Settings::from_environment(&self.environment)
    }

    pub fn argument(&self, index: usize) -> Value<'env> {
        self.values
            .get(index)
            .copied()
            .unwrap_or_else(|| self.scope.undefined())
    }

    /// A required text.
    pub fn text(&self, value: Value<'env>, name: &str) -> JsResult<'env, String> {
        value
            .as_string()
            .ok_or_else(|| self.scope.type_error(&format!("{name} must be a string")))
    }

    pub fn text_argument(&self, index: usize, name: &str) -> JsResult<'env, String> {
        self.text(self.argument(index), name)
    }

    pub fn secret_argument(&self, index: usize, name: &str) -> JsResult<'env, Secret> {
        self.text_argument(index, name).map(Secret::new)
    }

    /// An object that has functions of the host.
    pub fn given(&self, value: Value<'env>, name: &str) -> JsResult<'env, Service> {
        if !matches!(value.kind(), Type::Object | Type::Function) {
            return Err(self.scope.type_error(&format!("{name} must be an object")));
        }
        self.context.keep(value).map(Service::Given)
    }

    pub fn flows(&self, index: usize) -> JsResult<'env, Arc<dyn FlowStore>> {
        let service = self.given(self.argument(index), "flowManager")?;
        Ok(NodeFlows::store(&self.context, service))
    }

    /// The rows of a user and server, through functions that `params` has.
    pub fn storage(&self, params: Value<'env>) -> JsResult<'env, Storage> {
        self.storage_deleting(params, "deleteTokens")
    }

    /// The same, where the caller has another name for `deleteTokens`.
    pub fn storage_deleting(
        &self,
        params: Value<'env>,
        delete_method: &'static str,
    ) -> JsResult<'env, Storage> {
        let service = self.given(params, "the parameter")?;
        let store = NodeTokens::given(&self.context, service, params, delete_method)?;
        self.storage_of(Arc::new(store), params)
    }

    fn storage_of(
        &self,
        store: Arc<dyn TokenStore>,
        params: Value<'env>,
    ) -> JsResult<'env, Storage> {
        let user_id = self.text(params.get("userId")?, "userId")?;
        let server_name = self.text(params.get("serverName")?, "serverName")?;
        let key = credentials_key(self.context.host(self.scope), &self.environment)?;
        let logger = self.logger.clone();
        Ok(Storage::new(store, key, &user_id, &server_name, logger))
    }

    pub fn headers(&self, index: usize) -> JsResult<'env, IndexMap<String, String>> {
        let value = self.argument(index);
        if value.is_object() {
            convert::texts(value)
        } else {
            Ok(IndexMap::new())
        }
    }

    pub fn members(&self, index: usize) -> JsResult<'env, Option<Map<String, Json>>> {
        convert::members(self.argument(index))
    }

    /// `allowedDomains` and `allowedAddresses` as `LibreChat` passes them.
    pub fn rules(&self, domains: usize, addresses: usize) -> JsResult<'env, NetworkRules> {
        Ok(NetworkRules {
            ssrf_protection: false,
            allowed_domains: convert::text_list(self.argument(domains))?,
            allowed_addresses: convert::text_list(self.argument(addresses))?,
        })
    }

    pub fn endpoints(
        &self,
        rules: &NetworkRules,
        headers: &IndexMap<String, String>,
    ) -> Result<Endpoints> {
        let http = self.http.clone();
        Endpoints::new(http, rules, &self.environment, None, headers)
    }
}

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
