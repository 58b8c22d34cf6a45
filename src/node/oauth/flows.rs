//! Flows of `runtime.oauth`: their ids, beginning and completing them, and the `state` that leads to them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::super::call::CallContext;
use super::super::calls::Shared;
use super::super::convert::{required_text, text_argument};
use super::super::host::SLOW_TIMEOUT;
use super::super::js::{JsResult, Scope, Value};
use super::super::thread::JsRef;
use super::call::Call;
use super::parsed;
use super::token_store::members;
use crate::error::Result;
use crate::oauth::{
    Callback, Completion, FLOW_KIND, Initiation, OAuthOptions, Persist, Received, Tokens,
    delete_flow_and_state, delete_state_mapping, flow_id, parse_flow_id, resolve_state,
    store_state_mapping,
};
use crate::secret::Secret;

/// `(userId, serverName, tenantId?)`
#[expect(
    clippy::needless_pass_by_value,
    reason = "one type for all functions of a surface"
)]
pub fn generate_id<'env>(
    _: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    let user_id = required_text(scope, &arguments, 0, "userId")?;
    let server_name = required_text(scope, &arguments, 1, "serverName")?;
    let tenant_id = text_argument(&arguments, 2);
    scope.string(&flow_id(&user_id, &server_name, tenant_id.as_deref()))
}

/// `(flowId)`
#[expect(
    clippy::needless_pass_by_value,
    reason = "one type for all functions of a surface"
)]
pub fn parse_id<'env>(
    _: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    let Some(owner) = parse_flow_id(&required_text(scope, &arguments, 0, "flowId")?) else {
        return Ok(scope.null());
    };
    let object = scope.object()?;
    if let Some(tenant_id) = &owner.tenant_id {
        object.set("tenantId", scope.string(tenant_id)?)?;
    }
    object.set("userId", scope.string(&owner.user_id)?)?;
    object.set("serverName", scope.string(&owner.server_name)?)?;
    Ok(object)
}

/// `(serverName, serverUrl, userId, oauthHeaders, config, allowedDomains, findToken, allowedAddresses, tenantId?)`
pub fn initiate<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let server_name = call.text_argument(0, "serverName")?;
            let server_url = call.text_argument(1, "serverUrl")?;
            let user_id = call.text_argument(2, "userId")?;
            let oauth_headers = call.headers(3)?;
            let options = OAuthOptions::new(call.members(4)?.as_ref());
            let rules = call.rules(5, 7)?;
            let find = call.argument(6);
            let storage = if find.is_function() {
                let params = scope.object()?;
                params.set("userId", call.argument(2))?;
                params.set("serverName", call.argument(0))?;
                params.set("findToken", find)?;
                Some(call.storage(params)?)
            } else {
                None
            };
            let endpoints = call.endpoints(&rules, &oauth_headers);
            let endpoints = endpoints.map(|it| it.configured_at(&options.endpoints()));
            let tenant_id = call.argument(8).as_string();
            let tenant_id = tenant_id.filter(|tenant| !tenant.is_empty());
            let (settings, logger) = (call.settings(), call.logger.clone());
            Ok(async move {
                let (endpoints, server_url) = (endpoints?, parsed(&server_url)?);
                let initiated = Initiation {
                    endpoints: &endpoints,
                    server_name: &server_name,
                    user_id: &user_id,
                    server_url: &server_url,
                    oauth_headers: &oauth_headers,
                    options: &options,
                    rules: &rules,
                    settings: &settings,
                    logger: &logger,
                    storage: storage.as_ref(),
                    missing_scope: None,
                    tenant_id: tenant_id.as_deref(),
                }
                .initiate()
                .await?;
                Ok(json!({
                    "authorizationUrl": initiated.authorization_url.as_str(),
                    "flowId": flow_id(&user_id, &server_name, tenant_id.as_deref()),
                    "flowMetadata": initiated.metadata,
                }))
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(flowId, authorizationCode, flowManager, oauthHeaders, persistBeforeComplete?, { state, iss }?)`, or without the function
/// between.
pub fn complete<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let flow_id = call.text_argument(0, "flowId")?;
            let persist = call.argument(4);
            let in_its_place = persist.present().is_some() && !persist.is_function();
            let received = call.argument(if in_its_place { 4 } else { 5 }).present();
            let received = received
                .map(|received| {
                    if !received.is_object() {
                        return Err(scope.type_error("received must be an object"));
                    }
                    // A parameter that came twice is a list in many frameworks, and no parameter (RFC 6749, section 3.1).
                    let text = |name: &str| match received.get(name)?.present() {
                        Some(value) => call.text(value, name).map(Some),
                        None => Ok(None),
                    };
                    Ok(Received {
                        state: text("state")?.map(Secret::new),
                        iss: text("iss")?,
                    })
                })
                .transpose()?;
            let callback = Callback {
                code: call.secret_argument(1, "authorizationCode")?,
                received,
            };
            let completion = Completion {
                http: call.runtime.manager.http().clone(),
                flows: call.flows(2)?,
                oauth_headers: call.headers(3)?,
                environment: call.environment.clone(),
                settings: call.settings(),
                logger: call.logger.clone(),
                persist: NodePersist::of(call, persist)?,
            };
            Ok(async move { completion.complete(&flow_id, &callback).await })
        },
        |scope, tokens| scope.json(&tokens.into_value()),
    )
}

/// `(flowId, flowManager)`
pub fn get_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (flow_id, flows) = (call.text_argument(0, "flowId")?, call.flows(1)?);
            Ok(async move {
                let flow = flows.get(&flow_id, FLOW_KIND).await?;
                Ok(flow.map_or(Json::Null, |flow| Json::Object(flow.metadata)))
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(state, flowId, flowManager)`
pub fn store_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let state = call.secret_argument(0, "state")?;
            let (flow_id, flows) = (call.text_argument(1, "flowId")?, call.flows(2)?);
            Ok(async move { store_state_mapping(&*flows, &state, &flow_id).await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `(state, flowManager)`
pub fn resolve_state_to_flow<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (state, flows) = (call.secret_argument(0, "state")?, call.flows(1)?);
            Ok(async move { Ok(json!(resolve_state(&*flows, &state).await?)) })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(state, flowManager)`
pub fn delete_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (state, flows) = (call.secret_argument(0, "state")?, call.flows(1)?);
            Ok(async move { delete_state_mapping(&*flows, &state).await })
        },
        |scope, deleted| scope.boolean(deleted),
    )
}

/// `(flowId, flowManager)`
pub fn delete_flow<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (flow_id, flows) = (call.text_argument(0, "flowId")?, call.flows(1)?);
            Ok(async move { delete_flow_and_state(&*flows, &flow_id).await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `persistBeforeComplete`.
struct NodePersist {
    context: Arc<CallContext>,
    persist: Arc<JsRef>,
}

impl NodePersist {
    fn of<'env>(
        call: &Call<'env>,
        function: Value<'env>,
    ) -> JsResult<'env, Option<Arc<dyn Persist>>> {
        if !function.is_function() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self {
            context: Arc::clone(&call.context),
            persist: Arc::new(JsRef::new(&call.runtime.thread, function)?),
        })))
    }
}

#[async_trait]
impl Persist for NodePersist {
    async fn persist(&self, tokens: Tokens) -> Result<Tokens> {
        let (persist, given) = (Arc::clone(&self.persist), tokens.clone().into_value());
        let stored = self.context.callback(
            "persistBeforeComplete",
            SLOW_TIMEOUT,
            move |context, scope| {
                let arguments = [scope.json(&given)?];
                context.apply(persist.get(scope), scope.undefined(), &arguments)
            },
            |_, value| members(value),
        );
        // A function that returns nothing has stored what it got.
        let stored = stored.await?.map(Json::Object);
        Ok(stored
            .as_ref()
            .and_then(Tokens::from_value)
            .unwrap_or(tokens))
    }
}
