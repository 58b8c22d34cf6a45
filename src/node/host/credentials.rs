//! `onOAuthCredentialsChanging`, `…Changed`, `…Adopted` and `…Invalidated`, of a call or of the host.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::{CredentialEvents, Publication};
use crate::node::engine::{JsRef, JsResult, Present, Scope, Value};
use crate::node::marshal::callback::SLOW_TIMEOUT;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::params::Params;

const CHANGING: &str = "onOAuthCredentialsChanging";
const CHANGED: &str = "onOAuthCredentialsChanged";
const ADOPTED: &str = "onOAuthCredentialsAdopted";
const INVALIDATED: &str = "onOAuthCredentialsInvalidated";

struct NodeCredentialEvents {
    context: Arc<CallContext>,
    changing: Option<Arc<JsRef>>,
    changed: Option<Arc<JsRef>>,
    adopted: Option<Arc<JsRef>>,
    invalidated: Option<Arc<JsRef>>,
}

/// Those that the call brings, and for the others the host's.
pub fn credential_events<'env>(
    context: &Arc<CallContext>,
    scope: Scope<'env>,
    params: Option<&Params<'env>>,
    present: Present,
) -> JsResult<'env, Option<Arc<dyn CredentialEvents>>> {
    let find = |name: &'static str| -> JsResult<'env, Option<Arc<JsRef>>> {
        let given = params.map_or(Ok(None), |params| params.function(name))?;
        let function = match given {
            Some(function) => Some(function),
            None if present.has(name) => Some(context.host(scope).get(name)?),
            None => None,
        };
        let kept = function.map(|function| JsRef::new(&context.thread, function).map(Arc::new));
        kept.transpose()
    };
    let events = NodeCredentialEvents {
        context: Arc::clone(context),
        changing: find(CHANGING)?,
        changed: find(CHANGED)?,
        adopted: find(ADOPTED)?,
        invalidated: find(INVALIDATED)?,
    };
    let all = [
        &events.changing,
        &events.changed,
        &events.adopted,
        &events.invalidated,
    ];
    if all.iter().all(|function| function.is_none()) {
        return Ok(None);
    }
    Ok(Some(Arc::new(events)))
}

impl NodeCredentialEvents {
    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        function: Option<&Arc<JsRef>>,
        arguments: impl for<'env> FnOnce(Scope<'env>) -> JsResult<'env, Vec<Value<'env>>>
        + Send
        + 'static,
        convert: impl for<'env> FnOnce(&Arc<CallContext>, Value<'env>) -> JsResult<'env, T>
        + Send
        + 'static,
    ) -> Result<Option<T>> {
        let Some(function) = function.cloned() else {
            return Ok(None);
        };
        let answer = self.context.callback(
            name,
            SLOW_TIMEOUT,
            move |context, scope| {
                let arguments = arguments(scope)?;
                context.apply(function.get(scope), scope.undefined(), &arguments)
            },
            convert,
        );
        answer.await.map(Some)
    }
}

/// `{ userId, serverName }`
fn whose(
    user_id: &str,
    server_name: &str,
) -> impl for<'env> FnOnce(Scope<'env>) -> JsResult<'env, Vec<Value<'env>>> + Send + 'static + use<>
{
    let (user_id, server_name) = (user_id.to_owned(), server_name.to_owned());
    move |scope| {
        let object = scope.object()?;
        object.set("userId", scope.string(&user_id)?)?;
        object.set("serverName", scope.string(&server_name)?)?;
        Ok(vec![object])
    }
}

fn generation(value: Value<'_>) -> Option<String> {
    value.as_string().filter(|text| !text.is_empty())
}

#[async_trait]
impl CredentialEvents for NodeCredentialEvents {
    async fn changing(
        &self,
        user_id: &str,
        server_name: &str,
    ) -> Result<Option<Box<dyn Publication>>> {
        let (function, whose) = (self.changing.as_ref(), whose(user_id, server_name));
        let publish = self.call(CHANGING, function, whose, |context, value| {
            if !value.is_function() {
                return Ok(None);
            }
            let publish = JsRef::new(&context.thread, value)?;
            Ok(Some(NodePublication {
                context: Arc::clone(context),
                publish,
            }))
        });
        let publication = publish.await?.flatten();
        Ok(publication.map(|publication| Box::new(publication) as _))
    }

    async fn changed(&self, user_id: &str, server_name: &str) -> Result<()> {
        let (function, whose) = (self.changed.as_ref(), whose(user_id, server_name));
        let told = self.call(CHANGED, function, whose, |_, _| Ok(()));
        told.await.map(drop)
    }

    async fn adopted(&self, generation: &str) -> Result<()> {
        let generation = generation.to_owned();
        let told = self.call(
            ADOPTED,
            self.adopted.as_ref(),
            move |scope| Ok(vec![scope.string(&generation)?]),
            |_, _| Ok(()),
        );
        told.await.map(drop)
    }

    async fn invalidated(&self) -> Result<Option<String>> {
        let function = self.invalidated.as_ref();
        let answer = self.call(
            INVALIDATED,
            function,
            |_| Ok(Vec::new()),
            |_, value| Ok(generation(value)),
        );
        Ok(answer.await?.flatten())
    }
}

/// What `onOAuthCredentialsChanging` has returned.
struct NodePublication {
    context: Arc<CallContext>,
    publish: JsRef,
}

#[async_trait]
impl Publication for NodePublication {
    async fn publish(self: Box<Self>) -> Result<Option<String>> {
        let Self { context, publish } = *self;
        context
            .callback(
                CHANGING,
                SLOW_TIMEOUT,
                move |context, scope| context.apply(publish.get(scope), scope.undefined(), &[]),
                |_, value| Ok(generation(value)),
            )
            .await
    }
}
