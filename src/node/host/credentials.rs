//! `onOAuthCredentialsChanging`, `…Changed`, `…Adopted` and `…Invalidated`, of a call or of the host.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::{CredentialEvents, Publication};
use crate::node::engine::{JsRef, JsResult, Present, Scope};
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::text;
use crate::node::marshal::params::Params;
use crate::node::marshal::to_js::{Members, ToArguments};

const CHANGING: Callback<(Members<2>,), Option<Arc<JsRef>>> =
    Callback::new("onOAuthCredentialsChanging", SLOW_TIMEOUT);
/// What `onOAuthCredentialsChanging` has returned: the new generation, where there is one.
const PUBLISH: Callback<(), Option<String>> =
    Callback::reading(CHANGING.name, SLOW_TIMEOUT, |_, it| Ok(text(it)));
const CHANGED: Callback<(Members<2>,), ()> =
    Callback::new("onOAuthCredentialsChanged", SLOW_TIMEOUT);
const ADOPTED: Callback<(String,), ()> = Callback::new("onOAuthCredentialsAdopted", SLOW_TIMEOUT);
const INVALIDATED: Callback<(), Option<String>> =
    Callback::reading("onOAuthCredentialsInvalidated", SLOW_TIMEOUT, |_, it| {
        Ok(text(it))
    });

struct NodeCredentialEvents {
    context: Arc<CallContext>,
    /// By the names of their callbacks.
    functions: HashMap<&'static str, Arc<JsRef>>,
}

/// Those that the call brings, and for the others the host's.
pub fn credential_events<'env>(
    context: &Arc<CallContext>,
    scope: Scope<'env>,
    params: Option<&Params<'env>>,
    present: Present,
) -> JsResult<'env, Option<Arc<dyn CredentialEvents>>> {
    let mut functions = HashMap::new();
    for name in [CHANGING.name, CHANGED.name, ADOPTED.name, INVALIDATED.name] {
        let given = params.map_or(Ok(None), |params| params.function(name))?;
        let function = match given {
            None if present.has(name) => Some(context.host(scope).get(name)?),
            given => given,
        };
        functions.extend(context.keep_present(function)?.map(|kept| (name, kept)));
    }
    if functions.is_empty() {
        return Ok(None);
    }
    let context = Arc::clone(context);
    Ok(Some(Arc::new(NodeCredentialEvents { context, functions })))
}

/// `{ userId, serverName }`
pub fn whose(user_id: &str, server_name: &str) -> Members<2> {
    [
        ("userId", user_id.to_owned()),
        ("serverName", server_name.to_owned()),
    ]
}

impl NodeCredentialEvents {
    async fn tell<Args, Ret>(
        &self,
        callback: Callback<Args, Ret>,
        arguments: Args,
    ) -> Result<Option<Ret>>
    where
        Args: for<'env> ToArguments<'env> + Send + 'static,
        Ret: Send + 'static,
    {
        let Some(function) = self.functions.get(callback.name) else {
            return Ok(None);
        };
        let answer = callback.call(&self.context, function, arguments);
        answer.await.map(Some)
    }
}

#[async_trait]
impl CredentialEvents for NodeCredentialEvents {
    async fn changing(
        &self,
        user_id: &str,
        server_name: &str,
    ) -> Result<Option<Box<dyn Publication>>> {
        let whose = (whose(user_id, server_name),);
        let publish = self.tell(CHANGING, whose).await?;
        Ok(publish.flatten().map(|publish| {
            let context = Arc::clone(&self.context);
            Box::new(NodePublication { context, publish }) as _
        }))
    }

    async fn changed(&self, user_id: &str, server_name: &str) -> Result<()> {
        let whose = (whose(user_id, server_name),);
        self.tell(CHANGED, whose).await.map(drop)
    }

    async fn adopted(&self, generation: &str) -> Result<()> {
        let generation = (generation.to_owned(),);
        self.tell(ADOPTED, generation).await.map(drop)
    }

    async fn invalidated(&self) -> Result<Option<String>> {
        self.tell(INVALIDATED, ()).await.map(Option::flatten)
    }
}

/// What `onOAuthCredentialsChanging` has returned.
struct NodePublication {
    context: Arc<CallContext>,
    publish: Arc<JsRef>,
}

#[async_trait]
impl Publication for NodePublication {
    async fn publish(self: Box<Self>) -> Result<Option<String>> {
        PUBLISH.call(&self.context, &self.publish, ()).await
    }
}
