//! Callbacks of those who call `MCPTokenStorage`'s functions, around what becomes of the rows.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::error::Result;
use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::to_js::Optional;
use crate::oauth::{OAuth, Tokens, Witness};

/// A function of the caller's, and how errors call it.
#[derive(Clone)]
struct Listener {
    name: &'static str,
    function: Arc<JsRef>,
}

impl Listener {
    fn of<'env>(
        context: &CallContext,
        params: Value<'env>,
        name: &'static str,
    ) -> JsResult<'env, Option<Self>> {
        let function = context.keep_function(params.get(name)?)?;
        Ok(function.map(|function| Self { name, function }))
    }

    /// Calls it with the tokens, if any; a function that it returns.
    async fn call(
        &self,
        context: &Arc<CallContext>,
        tokens: Option<&Tokens>,
    ) -> Result<Option<Arc<JsRef>>> {
        let tokens = Optional(tokens.cloned());
        Callback::new(self.name, SLOW_TIMEOUT)
            .call(context, &self.function, (tokens,))
            .await
    }
}

/// Those of one call.
pub struct NodeWitness {
    context: Arc<CallContext>,
    oauth: OAuth,
    preparing: Option<Listener>,
    committed: Option<Listener>,
    adopted: Option<Listener>,
    /// What `onRefreshPreparing` has returned.
    publish: Mutex<Option<Listener>>,
}

impl NodeWitness {
    /// `onRefreshPreparing`, `onRefreshSuccess`, `onTokensAdopted`
    pub fn of_refresh<'env>(
        context: &Arc<CallContext>,
        oauth: &OAuth,
        params: Value<'env>,
    ) -> JsResult<'env, Self> {
        let listener = |name| Listener::of(context, params, name);
        let committed = listener("onRefreshSuccess")?;
        Ok(Self {
            context: Arc::clone(context),
            oauth: oauth.clone(),
            preparing: listener("onRefreshPreparing")?,
            adopted: listener("onTokensAdopted")?.or_else(|| committed.clone()),
            committed,
            publish: Mutex::default(),
        })
    }

    /// `onStorePreparing`, `onStoreCommitted`
    pub fn of_store<'env>(
        context: &Arc<CallContext>,
        oauth: &OAuth,
        params: Value<'env>,
    ) -> JsResult<'env, Self> {
        let listener = |name| Listener::of(context, params, name);
        Ok(Self {
            context: Arc::clone(context),
            oauth: oauth.clone(),
            preparing: listener("onStorePreparing")?,
            committed: listener("onStoreCommitted")?,
            adopted: None,
            publish: Mutex::default(),
        })
    }

    /// Tells of tokens that were refreshed.
    pub async fn refreshed(&self, tokens: &Tokens) -> Result<()> {
        self.tell(self.committed.as_ref(), Some(tokens)).await
    }

    async fn tell(&self, listener: Option<&Listener>, tokens: Option<&Tokens>) -> Result<()> {
        match listener {
            Some(listener) => listener.call(&self.context, tokens).await.map(drop),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Witness for NodeWitness {
    async fn preparing(&self) -> Result<()> {
        let Some(preparing) = &self.preparing else {
            return Ok(());
        };
        let publish = preparing.call(&self.context, None).await?;
        *self.publish.lock() = publish.map(|function| Listener {
            name: preparing.name,
            function,
        });
        Ok(())
    }

    fn renews(&self, before: &str, after: &str) {
        self.oauth.note_renewal(before, after);
    }

    async fn committed(&self, stored: &Tokens) -> Result<()> {
        let publish = self.publish.lock().take();
        let listener = publish.as_ref().or(self.committed.as_ref());
        self.tell(listener, Some(stored)).await
    }

    async fn cleared(&self) -> Result<()> {
        let publish = self.publish.lock().take();
        self.tell(publish.as_ref(), None).await
    }

    async fn adopted(&self, stored: &Tokens) -> Result<()> {
        self.tell(self.adopted.as_ref(), Some(stored)).await
    }
}
