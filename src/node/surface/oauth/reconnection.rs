//! `runtime.OAuthReconnectionManager`: LibreChat's class, with one instance per runtime.

use std::sync::Arc;

use parking_lot::Mutex;

use super::call::Call;
use crate::host::Host;
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::host::embedded::Embedded;
use crate::node::host::flows::NodeFlows;
use crate::node::host::registry::{NodeHost, Principal};
use crate::node::host::token_store::NodeTokens;
use crate::node::marshal::callee::Service;
use crate::node::marshal::convert::required_text;
use crate::node::marshal::services;
use crate::node::marshal::to_js::WithMembers;
use crate::node::surface::state::RuntimeState;
use crate::oauth::Reconnections;
use crate::reconnect::Reconnect;

/// What `createInstance` was given.
struct Instance {
    flows: Service,
    tokens: Service,
    tracker: Arc<Reconnections>,
}

type Created = Arc<Mutex<Option<Arc<JsRef>>>>;

/// `{ createInstance(flowManager, tokenMethods), getInstance() }`
pub fn class<'env>(runtime: &Arc<RuntimeState>, scope: Scope<'env>) -> JsResult<'env> {
    let class = scope.object()?;
    let created = Created::default();
    let (runtime, instance) = (Arc::clone(runtime), Arc::clone(&created));
    class.with_function("createInstance", move |scope, _, arguments| {
        let (deferred, promise) = scope.promise()?;
        scope.settle(deferred, create(&runtime, &instance, scope, arguments));
        Ok(promise)
    })?;
    class.with_function("getInstance", move |scope, _, _| match &*created.lock() {
        Some(instance) => Ok(instance.get(scope)),
        None => Err(Thrown(
            scope.error("Error", "OAuthReconnectionManager not initialized"),
        )),
    })?;
    Ok(class)
}

fn create<'env>(
    runtime: &Arc<RuntimeState>,
    created: &Created,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    if created.lock().is_some() {
        return Err(Thrown(
            scope.error("Error", "OAuthReconnectionManager already initialized"),
        ));
    }
    let call = Call::new(runtime, scope, arguments)?;
    let instance = Arc::new(Instance {
        flows: call.given(call.argument(0), "flowManager")?,
        tokens: call.given(call.argument(1), "tokenMethods")?,
        tracker: Arc::default(),
    });
    let object = object(runtime, &instance, scope)?;
    *created.lock() = Some(Arc::new(JsRef::new(&runtime.thread, object)?));
    Ok(object)
}

fn object<'env>(
    runtime: &Arc<RuntimeState>,
    instance: &Arc<Instance>,
    scope: Scope<'env>,
) -> JsResult<'env> {
    let object = scope.object()?;
    let tracker = Arc::clone(&instance.tracker);
    object.with_function("isReconnecting", move |scope, _, arguments| {
        let (user, server) = names(scope, &arguments)?;
        scope.boolean(tracker.is_reconnecting(&user, &server))
    })?;
    let tracker = Arc::clone(&instance.tracker);
    object.with_function("clearReconnection", move |scope, _, arguments| {
        let (user, server) = names(scope, &arguments)?;
        tracker.clear(&user, &server);
        Ok(scope.undefined())
    })?;
    let (owner, shared) = (Arc::clone(runtime), Arc::clone(instance));
    object.with_function("reconnectServers", move |scope, _, arguments| {
        Call::promise(&owner, scope, arguments, |call| {
            let reconnect = reconnect(call, &shared)?;
            Ok(async move { reconnect.all().await })
        })
    })?;
    let (owner, shared) = (Arc::clone(runtime), Arc::clone(instance));
    object.with_function("reconnectServer", move |scope, _, arguments| {
        Call::promise(&owner, scope, arguments, |call| {
            let reconnect = reconnect(call, &shared)?;
            let server_name = call.text_argument(1, "serverName")?;
            Ok(async move { Ok(reconnect.one(&server_name).await) })
        })
    })?;
    let tracker = Arc::clone(&instance.tracker);
    object.with_function("getTrackerStats", move |scope, _, _| {
        let stats = tracker.stats();
        scope.json(&serde_json::json!({
            "usersWithFailedServers": stats.users_with_failed_servers,
            "usersWithActiveReconnections": stats.users_with_active_reconnections,
            "activeTimestamps": stats.active_timestamps,
        }))
    })?;
    Ok(object)
}

fn names<'env>(scope: Scope<'env>, arguments: &[Value<'env>]) -> JsResult<'env, (String, String)> {
    Ok((
        required_text(scope, arguments, 0, "userId")?,
        required_text(scope, arguments, 1, "serverName")?,
    ))
}

/// The host as the reconnections of this call see it.
fn reconnect<'env>(call: &Call<'env>, instance: &Instance) -> JsResult<'env, Reconnect> {
    let context = &call.context;
    let present = services::present(context.host(call.scope))?;
    let user_id = call.text_argument(0, "userId")?;
    let node = Arc::new(NodeHost {
        context: Arc::clone(context),
        environment: call.environment.clone(),
        embedded: call.runtime.embedded.as_ref().map(Embedded::config),
        config_servers: None,
        present,
        recovers_catalogs: call.runtime.catalog_recovery.is_used(),
        principal: Principal {
            user_id: Some(user_id.clone()),
            role: None,
        },
        configs: Arc::default(),
        published: Mutex::default(),
        early: Arc::default(),
    });
    let logger = call.logger.clone();
    let host = call
        .runtime
        .services(call.scope, None, None, present, &node, logger)?;
    Ok(Reconnect {
        manager: call.runtime.manager.clone(),
        host: Host {
            publisher: None,
            prompt: None,
            tokens: Some(NodeTokens::store(context, instance.tokens.clone())),
            flows: Some(NodeFlows::store(context, instance.flows.clone())),
            ..host
        },
        user_id,
        tracker: Arc::clone(&instance.tracker),
    })
}
