//! `persistBeforeComplete` of `completeOAuthFlow`, and what LibreChat of autumn passes beside it: a function that undoes it,
//! and a wish to complete the flow itself, within a transaction of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value as Json;

use super::flows::{Settling, was_current};
use crate::error::Result;
use crate::host::{FlowAttempt, FlowState};
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::JsonObject;
use crate::node::marshal::to_js::ToJs;
use crate::oauth::{CANCELLED, FLOW_KIND, Persist, Persisted, Tokens};

const PERSIST: Callback<(Tokens, Arc<Completing>), Option<JsonObject>> =
    Callback::new("persistBeforeComplete", SLOW_TIMEOUT);
const ROLL_BACK: Callback<(Tokens,), ()> = Callback::new("rollbackPersistedTokens", SLOW_TIMEOUT);

pub struct NodePersist {
    context: Arc<CallContext>,
    persist: Arc<JsRef>,
    roll_back: Option<Arc<JsRef>>,
    flow_manager: Service,
}

impl NodePersist {
    pub fn of<'env>(
        context: &Arc<CallContext>,
        persist: Value<'env>,
        roll_back: Value<'env>,
        flow_manager: Value<'env>,
    ) -> JsResult<'env, Option<Arc<dyn Persist>>> {
        if !persist.is_function() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self {
            context: Arc::clone(context),
            persist: context.keep(persist)?,
            roll_back: context.keep_function(roll_back)?,
            flow_manager: Service::given(context, flow_manager, "flowManager")?,
        })))
    }
}

/// One flow, as `completePersistedFlow(tokens)` completes it: once, however often that is called.
struct Completing {
    context: Arc<CallContext>,
    flow_manager: Service,
    flow_id: String,
    attempt: Option<FlowAttempt>,
    is_completed: Arc<AtomicBool>,
    begun: Mutex<Option<JsRef>>,
}

impl Completing {
    fn complete<'env>(&self, scope: Scope<'env>, tokens: Value<'env>) -> JsResult<'env> {
        if let Some(begun) = &*self.begun.lock() {
            return Ok(begun.get(scope));
        }
        let settling = Settling {
            method: "completeFlow",
            flow_id: self.flow_id.clone(),
            kind: FLOW_KIND.to_owned(),
            attempt: self.attempt.clone(),
            outcome: self.context.keep(tokens)?,
        };
        let settled = settling.start(&self.flow_manager, &self.context, scope)?;
        let promises = scope.global()?.get("Promise")?;
        let settled = promises.call_method("resolve", &[settled])?;
        let is_completed = Arc::clone(&self.is_completed);
        let judge = scope.function("completed", move |scope, _, arguments| {
            if !arguments.first().is_none_or(|answer| was_current(*answer)) {
                return Err(Thrown(scope.error("Error", CANCELLED)));
            }
            is_completed.store(true, Ordering::Release);
            Ok(scope.undefined())
        })?;
        let promise = settled.call_method("then", &[judge])?;
        *self.begun.lock() = Some(JsRef::new(&self.context.thread, promise)?);
        Ok(promise)
    }
}

/// `completePersistedFlow`
impl<'env> ToJs<'env> for Arc<Completing> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let completing = Self::clone(self);
        scope.function("completePersistedFlow", move |scope, _, tokens| {
            completing.complete(scope, scope.at(&tokens, 0))
        })
    }
}

#[async_trait]
impl Persist for NodePersist {
    async fn persist(&self, flow_id: &str, flow: &FlowState, tokens: Tokens) -> Result<Persisted> {
        let is_completed = Arc::new(AtomicBool::new(false));
        let completing = Arc::new(Completing {
            context: Arc::clone(&self.context),
            flow_manager: self.flow_manager.clone(),
            flow_id: flow_id.to_owned(),
            attempt: flow.attempt(),
            is_completed: Arc::clone(&is_completed),
            begun: Mutex::default(),
        });
        let arguments = (tokens.clone(), completing);
        let stored = PERSIST.call(&self.context, &self.persist, arguments);
        // A function that returns nothing has stored what it got.
        let stored = stored.await?.map(Json::Object);
        let tokens = stored
            .as_ref()
            .and_then(Tokens::from_value)
            .unwrap_or(tokens);
        Ok(Persisted {
            tokens,
            is_completed: is_completed.load(Ordering::Acquire),
        })
    }

    async fn roll_back(&self, tokens: &Tokens) {
        let Some(roll_back) = &self.roll_back else {
            return;
        };
        let given = (tokens.clone(),);
        // The error that leads here is the one that counts.
        let _ = ROLL_BACK.call(&self.context, roll_back, given).await;
    }
}
