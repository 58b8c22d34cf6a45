//! `withUserConnectionLease` of newer LibreChat: work on a connection that nobody closes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::connections::object;
use super::handle::Held;
use super::state::RuntimeState;
use super::wanted::{find, read};
use crate::error::Result;
use crate::manager::Manager;
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::errors;

/// Bound on the work.
const LIMIT: Duration = Duration::from_mins(10);

const OPERATION: Callback<(), JsRef> = Callback::reading("operation", LIMIT, |context, value| {
    JsRef::new(&context.thread, value)
});

/// `(params, operation)`: what the operation resolves to.
pub fn with_user_connection_lease<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let operation = arguments.get(1).copied().filter(|it| it.is_function());
    let prepared = operation
        .ok_or_else(|| {
            scope.type_error("withUserConnectionLease: the operation must be a function")
        })
        .and_then(|operation| {
            let operation = JsRef::new(&shared.thread, operation)?;
            let (call, wanted) = read(shared, scope, "withUserConnectionLease", arguments)?;
            Ok((operation, call, wanted))
        });
    let all = Arc::clone(shared);
    let prepared = prepared.map(|(operation, call, wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let (request, lease) = find(&manager, &call, &wanted, true).await?;
            // The object holds a use only where the runtime keeps no connections.
            let again = manager.existing(lease.key());
            let held = Held::new(&manager, request, lease)?;
            let outcome = OPERATION
                .call_by(call.context(), move |context, scope| {
                    let connection = object(&all, scope, held)?;
                    context.apply(operation.get(scope), scope.undefined(), &[connection])
                })
                .await;
            drop(again);
            // What the operation throws is the caller's.
            match outcome {
                Err(error) if error.host_fault().is_some() => Ok(Err(error)),
                outcome => outcome.map(Ok),
            }
        })
    });
    shared.run(
        scope,
        prepared,
        |scope, _, value: Result<JsRef>| match value {
            Ok(value) => Ok(value.get(scope)),
            Err(error) => Err(Thrown(errors::for_log(scope, &error))),
        },
    )
}
