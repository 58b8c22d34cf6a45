//! `withUserConnectionLease` of newer LibreChat: work on a connection that nobody closes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::connection_params::{Connects, find, read};
use super::connections::object;
use super::handle::Backing;
use super::methods::Invocation;
use crate::error::Result;
use crate::manager::Manager;
use crate::node::engine::{JsRef, JsResult, Thrown};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::errors;

/// Bound on the work.
const LIMIT: Duration = Duration::from_mins(10);

const OPERATION: Callback<(), JsRef> = Callback::reading("operation", LIMIT, |context, value| {
    JsRef::new(&context.thread, value)
});

/// `(params, operation)`: what the operation resolves to.
pub fn with_user_connection_lease<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    const FUNCTION: &str = "withUserConnectionLease";
    let runtime = Arc::clone(&invocation.runtime);
    let prepared = (|| {
        let operation = invocation.argument(1);
        if !operation.is_function() {
            let message = format!("{FUNCTION}: the operation must be a function");
            return Err(invocation.scope.type_error(&message));
        }
        let operation = JsRef::new(&runtime.thread, operation)?;
        let (call, params) = read(invocation, FUNCTION)?;
        Ok((operation, call, params))
    })();
    let prepared = prepared.map(|(operation, call, params)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let (request, lease) = find(&manager, &call, &params, Connects::User).await?;
            // The object holds a use only where the runtime keeps no connections.
            let again = manager.existing(lease.key());
            let backing = Backing::new(&manager, request, lease)?;
            let outcome = OPERATION
                .call_by(call.context(), move |context, scope| {
                    let connection = object(&runtime, scope, backing)?;
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
    invocation.run_with(prepared, |scope, _, value: Result<JsRef>| match value {
        Ok(value) => Ok(value.get(scope)),
        Err(error) => Err(Thrown(errors::for_log(scope, &error))),
    })
}
