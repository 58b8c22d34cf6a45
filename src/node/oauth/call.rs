//! A function of the runtime that works for one call: context, log, environment, promise.

use std::sync::Arc;

use futures::FutureExt;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;

use super::super::abort::AbortLink;
use super::super::call::CallContext;
use super::super::calls::Shared;
use super::super::classes;
use super::super::convert;
use super::super::errors;
use super::super::js::{JsResult, Scope, Thrown, Type, Value};
use super::super::log::logger_of;
use super::super::running::outcome_of;
use super::super::runtime::spawn;
use super::super::services;
use super::super::thread::JsRef;
use super::host::{NodeFlows, Service};
use super::token_store::{NodeTokens, members};
use crate::error::Result;
use crate::host::{Environment, FlowStore, Logger, NetworkRules, TokenStore};
use crate::oauth::{Endpoints, Storage};
use crate::secret::Secret;
use crate::settings::Settings;

/// Where `LibreChat` has the key of stored tokens.
pub const CREDENTIALS_VARIABLE: &str = "CREDS_KEY";

/// One call, its arguments still to be read.
pub struct Call<'env> {
    pub runtime: Arc<Shared>,
    pub scope: Scope<'env>,
    pub context: Arc<CallContext>,
    pub environment: Environment,
    pub logger: Logger,
    arguments: Vec<Value<'env>>,
}

impl<'env> Call<'env> {
    /// A promise of what `prepare` makes of the arguments: the work, which may run anywhere. `convert` builds its
    /// value on JavaScript's thread. After `close()` every call rejects with `MCP_CLOSED`.
    pub fn promise<T, W>(
        runtime: &Arc<Shared>,
        scope: Scope<'env>,
        arguments: Vec<Value<'env>>,
        prepare: impl FnOnce(&Self) -> JsResult<'env, W>,
        convert: impl for<'any> FnOnce(Scope<'any>, T) -> JsResult<'any> + Send + 'static,
    ) -> JsResult<'env>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let (promise, value) = runtime.thread.promise(scope)?;
        let prepared = Self::new(runtime, scope, arguments)
            .and_then(|call| Ok((prepare(&call)?, Arc::clone(&call.context))));
        let (work, context) = match prepared {
            Ok(prepared) => prepared,
            Err(thrown) => {
                promise.reject(&thrown)?;
                return Ok(value);
            }
        };
        let closed = runtime.manager.closing().is_cancelled();
        let work = work.boxed();
        spawn(async move {
            let outcome = outcome_of(closed, work).await;
            promise.settle(move |scope| {
                context.flush_log(scope);
                let outcome = match outcome {
                    Ok(outcome) => convert(scope, outcome),
                    Err(error) => Err(Thrown(errors::to_js(scope, &error))),
                };
                classes::adopted(outcome, context.host(scope))
            });
        });
        Ok(value)
    }

    pub fn new(
        runtime: &Arc<Shared>,
        scope: Scope<'env>,
        arguments: Vec<Value<'env>>,
    ) -> JsResult<'env, Self> {
        let environment = runtime.variables.read(scope)?.environment;
        let context = Arc::new(CallContext::new(
            &runtime.thread,
            &runtime.realm,
            &runtime.host,
            scope,
        )?);
        let present = services::present(runtime.host.get(scope))?;
        let logger = logger_of(present, &context, &environment);
        Ok(Self {
            runtime: Arc::clone(runtime),
            scope,
            context,
            environment,
            logger,
            arguments,
        })
    }

    pub fn settings(&self) -> Settings {
        Settings::from_environment(&self.environment)
    }

    pub fn argument(&self, index: usize) -> Value<'env> {
        self.arguments
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
        JsRef::new(&self.runtime.thread, value).map(|object| Service::Given(Arc::new(object)))
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
        let key = credentials_key(self.runtime.host.get(self.scope), &self.environment)?;
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

    /// What an `AbortSignal` cancels, if there is one, and the link to end when the call has.
    pub fn abort(
        &self,
        signal: Value<'env>,
    ) -> JsResult<'env, (CancellationToken, Option<AbortLink>)> {
        let aborted = CancellationToken::new();
        let link = signal
            .present()
            .map(|signal| AbortLink::new(&self.runtime.thread, signal, &aborted))
            .transpose()?;
        Ok((aborted, link))
    }

    pub fn members(&self, index: usize) -> JsResult<'env, Option<Map<String, Json>>> {
        members(self.argument(index))
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
        let http = self.runtime.manager.http().clone();
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
