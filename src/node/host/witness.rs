//! Callbacks of those who call `MCPTokenStorage`'s functions, around what becomes of the rows.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::error::Result;
use crate::node::engine::{JsRef, JsResult, JsThread, Value};
use crate::node::marshal::callback::SLOW_TIMEOUT;
use crate::node::marshal::context::CallContext;
use crate::oauth::{Tokens, Witness};

/// A callback, and how errors call it.
#[derive(Clone)]
struct Callback {
    name: &'static str,
    function: Arc<JsRef>,
}

impl Callback {
    fn of<'env>(
        thread: &JsThread,
        params: Value<'env>,
        name: &'static str,
    ) -> JsResult<'env, Option<Self>> {
        let function = params.get(name)?;
        if !function.is_function() {
            return Ok(None);
        }
        let function = Arc::new(JsRef::new(thread, function)?);
        Ok(Some(Self { name, function }))
    }

    /// Calls it with the tokens, if any; a function that it returns.
    async fn call(
        &self,
        context: &Arc<CallContext>,
        tokens: Option<&Tokens>,
    ) -> Result<Option<Arc<JsRef>>> {
        let function = Arc::clone(&self.function);
        let tokens = tokens.map(|tokens| tokens.clone().into_value());
        context
            .callback(
                self.name,
                SLOW_TIMEOUT,
                move |context, scope| {
                    let arguments = match &tokens {
                        Some(tokens) => vec![scope.json(tokens)?],
                        None => Vec::new(),
                    };
                    context.apply(function.get(scope), scope.undefined(), &arguments)
                },
                |context, value| {
                    let returned = value.is_function();
                    let returned = returned.then(|| JsRef::new(&context.thread, value));
                    Ok(returned.transpose()?.map(Arc::new))
                },
            )
            .await
    }
}

/// Those of one call.
pub struct NodeWitness {
    context: Arc<CallContext>,
    preparing: Option<Callback>,
    committed: Option<Callback>,
    adopted: Option<Callback>,
    /// What `onRefreshPreparing` has returned.
    publish: Mutex<Option<Callback>>,
}

impl NodeWitness {
    /// `onRefreshPreparing`, `onRefreshSuccess`, `onTokensAdopted`
    pub fn of_refresh<'env>(
        context: &Arc<CallContext>,
        params: Value<'env>,
    ) -> JsResult<'env, Self> {
        let callback = |name| Callback::of(&context.thread, params, name);
        let committed = callback("onRefreshSuccess")?;
        Ok(Self {
            context: Arc::clone(context),
            preparing: callback("onRefreshPreparing")?,
            adopted: callback("onTokensAdopted")?.or_else(|| committed.clone()),
            committed,
            publish: Mutex::default(),
        })
    }

    /// `onStorePreparing`, `onStoreCommitted`
    pub fn of_store<'env>(context: &Arc<CallContext>, params: Value<'env>) -> JsResult<'env, Self> {
        let callback = |name| Callback::of(&context.thread, params, name);
        Ok(Self {
            context: Arc::clone(context),
            preparing: callback("onStorePreparing")?,
            committed: callback("onStoreCommitted")?,
            adopted: None,
            publish: Mutex::default(),
        })
    }

    /// Tells of tokens that were refreshed.
    pub async fn refreshed(&self, tokens: &Tokens) -> Result<()> {
        self.tell(self.committed.as_ref(), Some(tokens)).await
    }

    async fn tell(&self, callback: Option<&Callback>, tokens: Option<&Tokens>) -> Result<()> {
        match callback {
            Some(callback) => callback.call(&self.context, tokens).await.map(drop),
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
        *self.publish.lock() = publish.map(|function| Callback {
            name: preparing.name,
            function,
        });
        Ok(())
    }

    async fn committed(&self, stored: &Tokens) -> Result<()> {
        let publish = self.publish.lock().take();
        let callback = publish.as_ref().or(self.committed.as_ref());
        self.tell(callback, Some(stored)).await
    }

    async fn cleared(&self) -> Result<()> {
        let publish = self.publish.lock().take();
        self.tell(publish.as_ref(), None).await
    }

    async fn adopted(&self, stored: &Tokens) -> Result<()> {
        self.tell(self.adopted.as_ref(), Some(stored)).await
    }
}
