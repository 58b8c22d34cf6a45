//! `runtime.OAuthReconnectionManager`: LibreChat's class, with one instance per runtime.

use std::sync::Arc;

use parking_lot::Mutex;

use super::call::Call;
use crate::host::Host;
use crate::node::engine::{JsRef, JsResult, Scope, Thrown};
use crate::node::host::flows::NodeFlows;
use crate::node::host::registry::Principal;
use crate::node::host::token_store::NodeTokens;
use crate::node::marshal::callee::Service;
use crate::node::marshal::services;
use crate::node::surface::methods::{Invocation, Method, set_methods};
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

const CLASS: &[Method<Created>] = &[
    Method::new("createInstance", create_instance),
    Method::new("getInstance", get_instance),
];

const INSTANCE: &[Method<Arc<Instance>>] = &[
    Method::new("isReconnecting", |invocation| {
        let (user, server) = names(invocation)?;
        let tracker = &invocation.target.tracker;
        let is_reconnecting = tracker.is_reconnecting(&user, &server);
        invocation.scope.boolean(is_reconnecting)
    }),
    Method::new("clearReconnection", |invocation| {
        let (user, server) = names(invocation)?;
        invocation.target.tracker.clear(&user, &server);
        Ok(invocation.scope.undefined())
    }),
    Method::new("reconnectServers", reconnect_servers),
    Method::new("reconnectServer", reconnect_server),
    Method::new("getTrackerStats", get_tracker_stats),
];

/// `{ createInstance(flowManager, tokenMethods), getInstance() }`
pub fn class<'env>(runtime: &Arc<RuntimeState>, scope: Scope<'env>) -> JsResult<'env> {
    set_methods(scope.object()?, runtime, &Created::default(), CLASS)
}

fn create_instance<'env>(invocation: &Invocation<'env, Created>) -> JsResult<'env> {
    let (deferred, promise) = invocation.scope.promise()?;
    invocation.scope.settle(deferred, create(invocation));
    Ok(promise)
}

fn get_instance<'env>(invocation: &Invocation<'env, Created>) -> JsResult<'env> {
    let scope = invocation.scope;
    match &*invocation.target.lock() {
        Some(instance) => Ok(instance.get(scope)),
        None => Err(Thrown(
            scope.error("Error", "OAuthReconnectionManager not initialized"),
        )),
    }
}

fn create<'env>(invocation: &Invocation<'env, Created>) -> JsResult<'env> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    if invocation.target.lock().is_some() {
        return Err(Thrown(
            scope.error("Error", "OAuthReconnectionManager already initialized"),
        ));
    }
    let call = Call::new(invocation)?;
    let instance = Arc::new(Instance {
        flows: Service::given(&call.context, call.argument(0), "flowManager")?,
        tokens: Service::given(&call.context, call.argument(1), "tokenMethods")?,
        tracker: Arc::default(),
    });
    let object = set_methods(scope.object()?, runtime, &instance, INSTANCE)?;
    *invocation.target.lock() = Some(Arc::new(JsRef::new(&runtime.thread, object)?));
    Ok(object)
}

fn reconnect_servers<'env>(invocation: &Invocation<'env, Arc<Instance>>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let reconnect = reconnect(call, &invocation.target)?;
        Ok(async move { reconnect.all().await })
    })
}

fn reconnect_server<'env>(invocation: &Invocation<'env, Arc<Instance>>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let reconnect = reconnect(call, &invocation.target)?;
        let server_name = call.required_text(1, "serverName")?;
        Ok(async move { Ok(reconnect.one(&server_name).await) })
    })
}

fn get_tracker_stats<'env>(invocation: &Invocation<'env, Arc<Instance>>) -> JsResult<'env> {
    let stats = invocation.target.tracker.stats();
    invocation.scope.json(&serde_json::json!({
        "usersWithFailedServers": stats.users_with_failed_servers,
        "usersWithActiveReconnections": stats.users_with_active_reconnections,
        "activeTimestamps": stats.active_timestamps,
    }))
}

fn names<'env, S>(invocation: &Invocation<'env, S>) -> JsResult<'env, (String, String)> {
    Ok((
        invocation.required_text(0, "userId")?,
        invocation.required_text(1, "serverName")?,
    ))
}

/// The host as the reconnections of this call see it.
fn reconnect<'env>(call: &Call<'env>, instance: &Instance) -> JsResult<'env, Reconnect> {
    let context = &call.context;
    let present = services::present(context.host(call.scope))?;
    let user_id = call.required_text(0, "userId")?;
    let principal = Principal {
        user_id: Some(user_id.clone()),
        role: None,
    };
    let (runtime, logger) = (&call.runtime, call.logger.clone());
    let node = Arc::new(runtime.node_host(context, &call.environment, present, principal));
    let host = runtime.services(call.scope, None, None, present, &node, logger)?;
    Ok(Reconnect {
        manager: runtime.manager.clone(),
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
