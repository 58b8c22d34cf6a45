//! Flows of `runtime.oauth`: their ids, beginning and completing them, and the `state` that leads to them.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::call::{Call, known_of, parsed};
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::host::FlowAttempt;
use crate::node::engine::{JsResult, Value};
use crate::node::host::persist::NodePersist;
use crate::node::marshal::convert::{required_text, text, whole};
use crate::node::marshal::to_js::WithMembers;
use crate::node::surface::methods::Invocation;
use crate::oauth::{
    Callback, Completion, FLOW_KIND, Initiation, OAuthOptions, Received, delete_flow_and_state,
    delete_state_mapping, fail_flow_and_state, flow_id, parse_flow_id, resolve_state,
    store_state_mapping,
};
use crate::secret::Secret;
use crate::trace::detail;

/// `(userId, serverName, tenantId?)`
pub fn generate_id<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let user_id = invocation.required_text(0, "userId")?;
    let server_name = invocation.required_text(1, "serverName")?;
    let tenant_id = invocation.text(2);
    invocation
        .scope
        .string(&flow_id(&user_id, &server_name, tenant_id.as_deref()))
}

/// `(flowId)`
pub fn parse_id<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let Some(owner) = parse_flow_id(&invocation.required_text(0, "flowId")?) else {
        return Ok(invocation.scope.null());
    };
    let object = invocation.scope.object()?;
    object
        .optional("tenantId", owner.tenant_id)?
        .with("userId", owner.user_id)?
        .with("serverName", owner.server_name)
}

/// `(serverName, serverUrl, userId, oauthHeaders, config, allowedDomains, findToken, allowedAddresses, tenantId?)`
pub fn initiate<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let server_name = call.required_text(0, "serverName")?;
        let server_url = call.required_text(1, "serverUrl")?;
        let user_id = call.required_text(2, "userId")?;
        let oauth_headers = call.headers(3)?;
        let options = OAuthOptions::new(call.members(4)?.as_ref());
        let rules = call.rules(5, 7)?;
        let find = call.argument(6);
        let storage = if find.is_function() {
            let params = call
                .scope
                .object()?
                .with("userId", call.argument(2))?
                .with("serverName", call.argument(0))?
                .with("findToken", find)?;
            Some(call.storage(params)?)
        } else {
            None
        };
        let endpoints = call.endpoints(
            rules.clone(),
            oauth_headers.clone(),
            Some(server_name.clone()),
        )?;
        let tenant_id = text(call.argument(8));
        let assertions = call.client_assertions()?;
        let (settings, logger) = (call.settings(), call.logger.clone());
        Ok(async move {
            let server_url = parsed(&server_url)?;
            let endpoints = endpoints.await?.configured_at(&options.endpoints());
            let logger = endpoints.logger(&logger);
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
                challenge: None,
                wants_dpop: false,
                tenant_id: tenant_id.as_deref(),
                assertions: assertions.as_deref(),
                renews: None,
            }
            .initiate()
            .await
            .map_err(|error| foreign_error(error, endpoints.secrets()))?;
            let url = || detail("url", &initiated.authorization_url);
            endpoints.source().step("authorization-url", url);
            Ok(json!({
                "authorizationUrl": initiated.authorization_url.as_str(),
                "flowId": flow_id(&user_id, &server_name, tenant_id.as_deref()),
                "flowMetadata": initiated.metadata,
            }))
        })
    })
}

/// `(flowId, authorizationCode, flowManager, oauthHeaders, persistBeforeComplete?, { state, iss }?)`, or without the function
/// between. LibreChat of autumn passes `rollbackPersistedTokens` and `{ createdAt, state }` after the function.
pub fn complete<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let flow_id = call.required_text(0, "flowId")?;
        let persist = call.argument(4);
        let in_its_place = persist.present().is_some() && !persist.is_function();
        let roll_back = call.argument(5);
        let (received, attempt) = if in_its_place {
            (4, None)
        } else if roll_back.is_function()
            || roll_back.present().is_none()
                && [6, 7]
                    .iter()
                    .any(|index| call.argument(*index).present().is_some())
        {
            (7, call.argument(6).present())
        } else {
            (5, None)
        };
        let received = call.argument(received).present();
        let received = received
            .map(|received| {
                if !received.is_object() {
                    return Err(call.scope.type_error("received must be an object"));
                }
                // A parameter that came twice is a list in many frameworks, and no parameter (RFC 6749, section 3.1).
                let text = |name: &str| match received.get(name)?.present() {
                    Some(value) => required_text(value, name).map(Some),
                    None => Ok(None),
                };
                Ok(Received {
                    state: text("state")?.map(Secret::new),
                    iss: text("iss")?,
                })
            })
            .transpose()?;
        let callback = Callback {
            code: call.required_secret(1, "authorizationCode")?,
            received,
            attempt: attempt.map(|attempt| read_attempt(attempt)).transpose()?,
        };
        let host = call.runtime.call(call.scope, None)?.host;
        let mut completion = Completion {
            http: call.runtime.manager.http().clone(),
            flows: call.flows(2)?,
            oauth_headers: call.headers(3)?,
            environment: call.environment.clone(),
            settings: call.settings(),
            logger: call.logger.clone(),
            credentials_key: Arc::new(call.credentials_key()?),
            keys: Some(call.client_keys()?),
            persist: NodePersist::of(&call.context, persist, roll_back, call.argument(2))?,
            tls: None,
            secrets: SentSecrets::default(),
        };
        Ok(async move {
            if let Some(owner) = parse_flow_id(&flow_id) {
                (completion.tls, completion.secrets) = known_of(&host, &owner.server_name).await;
            }
            completion.complete(&flow_id, &callback).await
        })
    })
}

fn created_at(flow: Value<'_>) -> JsResult<'_, i64> {
    flow.get("createdAt")
        .map(|it| whole(it).unwrap_or_default())
}

/// `{ createdAt, state }`
fn read_attempt(attempt: Value<'_>) -> JsResult<'_, FlowAttempt> {
    Ok(FlowAttempt {
        created_at: created_at(attempt)?,
        state: Secret::new(required_text(attempt.get("state")?, "state")?),
    })
}

/// `(flowId, flowManager)`
pub fn get_state<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let (flow_id, flows) = (call.required_text(0, "flowId")?, call.flows(1)?);
        Ok(async move {
            let flow = flows.get(&flow_id, FLOW_KIND).await?;
            Ok(flow.map_or(Json::Null, |flow| Json::Object(flow.metadata)))
        })
    })
}

/// `(state, flowId, flowManager)`
pub fn store_state<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let state = call.required_secret(0, "state")?;
        let (flow_id, flows) = (call.required_text(1, "flowId")?, call.flows(2)?);
        Ok(async move { store_state_mapping(&*flows, &state, &flow_id).await })
    })
}

/// `(state, flowManager)`
pub fn resolve_state_to_flow<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let (state, flows) = (call.required_secret(0, "state")?, call.flows(1)?);
        Ok(async move { Ok(json!(resolve_state(&*flows, &state).await?)) })
    })
}

/// `(state, flowManager)`
pub fn delete_state<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let (state, flows) = (call.required_secret(0, "state")?, call.flows(1)?);
        Ok(async move { delete_state_mapping(&*flows, &state).await })
    })
}

/// `(flowId, flowState, flowManager, error)`
pub fn fail<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let (flow_id, flow) = (call.required_text(0, "flowId")?, call.argument(1));
        if !flow.is_object() {
            return Err(call.scope.type_error("flowState must be an object"));
        }
        let metadata = flow.get("metadata")?.present();
        let state = metadata.map(|metadata| metadata.get("state")).transpose()?;
        let attempt = FlowAttempt {
            created_at: created_at(flow)?,
            state: Secret::new(state.and_then(Value::as_string).unwrap_or_default()),
        };
        let (flows, error) = (call.flows(2)?, call.argument(3));
        let why = match error.as_string() {
            Some(text) => text,
            None if error.is_object() => error.get("message")?.as_string().unwrap_or_default(),
            None => return Err(call.scope.type_error("error must be an Error or a string")),
        };
        Ok(async move { fail_flow_and_state(&*flows, &flow_id, &attempt, &why).await })
    })
}

/// `(flowId, flowManager)`
pub fn delete_flow<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let (flow_id, flows) = (call.required_text(0, "flowId")?, call.flows(1)?);
        Ok(async move { delete_flow_and_state(&*flows, &flow_id).await })
    })
}
