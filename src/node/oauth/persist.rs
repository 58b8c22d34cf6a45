//! `persistBeforeComplete` of `completeOAuthFlow`, and what LibreChat of autumn passes beside it: a function that undoes it,
//! and a wish to complete the flow itself, within a transaction of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::super::call::CallContext;
use super::super::host::SLOW_TIMEOUT;
use super::super::js::{JsResult, Scope, Thrown, Value};
use super::super::thread::JsRef;
use super::call::Call;
use super::token_store::members;
use crate::error::Result;
use crate::host::FlowState;
use crate::oauth::{FLOW_KIND, Persist, Persisted, Tokens};

/// LibreChat's text.
const CANCELLED: &str = "OAuth flow was cancelled before completion";

pub(super) struct NodePersist {
    context: Arc<CallContext>,
    persist: Arc<JsRef>,
    roll_back: Option<Arc<JsRef>>,
    flow_manager: Arc<JsRef>,
}

impl NodePersist {
    pub fn of<'env>(
        call: &Call<'env>,
        persist: Value<'env>,
        roll_back: Value<'env>,
    ) -> JsResult<'env, Option<Arc<dyn Persist>>> {
        if !persist.is_function() {
            return Ok(None);
        }
        let thread = &call.runtime.thread;
        let roll_back = roll_back
            .is_function()
            .then(|| JsRef::new(thread, roll_back).map(Arc::new));
        Ok(Some(Arc::new(Self {
            context: Arc::clone(&call.context),
            persist: Arc::new(JsRef::new(thread, persist)?),
            roll_back: roll_back.transpose()?,
            flow_manager: Arc::new(JsRef::new(thread, call.argument(2))?),
        })))
    }
}

/// One flow, as `completePersistedFlow(tokens)` completes it.
struct Completing {
    flow_manager: Arc<JsRef>,
    flow_id: String,
    created_at: Option<i64>,
    state: String,
    is_completed: Arc<AtomicBool>,
}

impl Completing {
    /// Where the host can compare, only a flow that has not been replaced.
    fn complete<'env>(&self, scope: Scope<'env>, tokens: Value<'env>) -> JsResult<'env> {
        let manager = self.flow_manager.get(scope);
        let (id, kind) = (scope.string(&self.flow_id)?, scope.string(FLOW_KIND)?);
        let guarded = manager.get("completeFlowIfCurrent")?;
        let compares = guarded.is_function();
        let settled = match self.created_at {
            Some(created_at) if compares => {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
                let created_at = scope.number(created_at as f64)?;
                let state = scope.string(&self.state)?;
                guarded.call(manager, &[id, kind, created_at, state, tokens])?
            }
            _ => (manager.get("completeFlow")?).call(manager, &[id, kind, tokens])?,
        };
        let promises = scope.global()?.get("Promise")?;
        let settled = promises.get("resolve")?.call(promises, &[settled])?;
        let is_completed = Arc::clone(&self.is_completed);
        let judge = scope.function("completed", move |scope, _, arguments| {
            let answer = arguments.first().and_then(|answer| answer.as_string());
            if answer.is_some_and(|answer| answer != "updated") {
                return Err(Thrown(scope.error("Error", CANCELLED)));
            }
            is_completed.store(true, Ordering::Release);
            Ok(scope.undefined())
        })?;
        settled.get("then")?.call(settled, &[judge])
    }
}

#[async_trait]
impl Persist for NodePersist {
    async fn persist(&self, flow_id: &str, flow: &FlowState, tokens: Tokens) -> Result<Persisted> {
        let (persist, given) = (Arc::clone(&self.persist), tokens.clone().into_value());
        let is_completed = Arc::new(AtomicBool::new(false));
        let state = flow.metadata.get("state").and_then(|state| state.as_str());
        let completing = Completing {
            flow_manager: Arc::clone(&self.flow_manager),
            flow_id: flow_id.to_owned(),
            created_at: flow.created_at,
            state: state.unwrap_or_default().to_owned(),
            is_completed: Arc::clone(&is_completed),
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
