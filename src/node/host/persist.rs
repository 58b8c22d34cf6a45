//! `persistBeforeComplete` of `completeOAuthFlow`, and what LibreChat of autumn passes beside it: a function that undoes it,
//! and a wish to complete the flow itself, within a transaction of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::arguments::Arguments;
use super::flows::{Settling, settle_flow, was_current};
use super::service::Service;
use super::token_store::members;
use crate::error::Result;
use crate::host::{FlowAttempt, FlowState};
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::marshal::callback::SLOW_TIMEOUT;
use crate::node::marshal::context::CallContext;
use crate::oauth::{CANCELLED, FLOW_KIND, Persist, Persisted, Tokens};

pub struct NodePersist {
    context: Arc<CallContext>,
    persist: Arc<JsRef>,
    roll_back: Option<Arc<JsRef>>,
    flow_manager: Service,
}

impl NodePersist {
    pub fn of<'env>(
        call: &Arguments<'env>,
        persist: Value<'env>,
        roll_back: Value<'env>,
    ) -> JsResult<'env, Option<Arc<dyn Persist>>> {
        if !persist.is_function() {
            return Ok(None);
        }
        let thread = &call.context.thread;
        let roll_back = roll_back
            .is_function()
            .then(|| JsRef::new(thread, roll_back).map(Arc::new));
        Ok(Some(Arc::new(Self {
            context: Arc::clone(&call.context),
            persist: Arc::new(JsRef::new(thread, persist)?),
            roll_back: roll_back.transpose()?,
            flow_manager: call.given(call.argument(2), "flowManager")?,
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
        let tokens = Arc::new(JsRef::new(&self.context.thread, tokens)?);
        let settled = settle_flow(
            &self.flow_manager,
            &self.context,
            scope,
            Settling {
                guarded: "completeFlowIfCurrent",
                plain: "completeFlow",
                flow_id: self.flow_id.clone(),
                kind: FLOW_KIND.to_owned(),
                attempt: self.attempt.clone(),
            },
            move |scope| Ok(tokens.get(scope)),
        )?;
        let promises = scope.global()?.get("Promise")?;
        let settled = promises.get("resolve")?.call(promises, &[settled])?;
        let is_completed = Arc::clone(&self.is_completed);
        let judge = scope.function("completed", move |scope, _, arguments| {
            if !arguments.first().is_none_or(|answer| was_current(*answer)) {
                return Err(Thrown(scope.error("Error", CANCELLED)));
            }
            is_completed.store(true, Ordering::Release);
            Ok(scope.undefined())
        })?;
        let promise = settled.get("then")?.call(settled, &[judge])?;
        *self.begun.lock() = Some(JsRef::new(&self.context.thread, promise)?);
        Ok(promise)
    }
}

#[async_trait]
impl Persist for NodePersist {
    async fn persist(&self, flow_id: &str, flow: &FlowState, tokens: Tokens) -> Result<Persisted> {
        let (persist, given) = (Arc::clone(&self.persist), tokens.clone().into_value());
        let is_completed = Arc::new(AtomicBool::new(false));
        let completing = Completing {
            context: Arc::clone(&self.context),
            flow_manager: self.flow_manager.clone(),
            flow_id: flow_id.to_owned(),
            attempt: flow.attempt(),
            is_completed: Arc::clone(&is_completed),
            begun: Mutex::default(),
        };
        let stored = self.context.callback(
            "persistBeforeComplete",
            SLOW_TIMEOUT,
            move |context, scope| {
                let complete =
                    scope.function("completePersistedFlow", move |scope, _, tokens| {
                        let tokens = tokens.first().copied();
                        completing.complete(scope, tokens.unwrap_or_else(|| scope.undefined()))
                    })?;
                let arguments = [scope.json(&given)?, complete];
                context.apply(persist.get(scope), scope.undefined(), &arguments)
            },
            |_, value| members(value),
        );
        // A function that returns nothing has stored what it got.
        let stored = stored.await?.map(serde_json::Value::Object);
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
        let Some(roll_back) = self.roll_back.clone() else {
            return;
        };
        let given = tokens.clone().into_value();
        // The error that leads here is the one that counts.
        let _ = self
            .context
            .callback(
                "rollbackPersistedTokens",
                SLOW_TIMEOUT,
                move |context, scope| {
                    let arguments = [scope.json(&given)?];
                    context.apply(roll_back.get(scope), scope.undefined(), &arguments)
                },
                |_, _| Ok(()),
            )
            .await;
    }
}
