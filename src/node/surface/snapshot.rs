//! `MCPConnection`'s lists of tools with what they are published under.

use std::sync::Arc;

use super::call::Call;
use super::handle::Handle;
use super::methods::Invocation;
use crate::connection::{Params, Recipe};
use crate::error::Result;
use crate::manager::{Manager, Reading, Snapshot};
use crate::node::engine::JsResult;
use crate::node::marshal::newer_params::deadline;
use crate::node::marshal::to_js::WithMembers;

/// `(deadlineMs?, signal?)`.
pub fn fetch_tools_snapshot<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env> {
    snapshot(invocation, Reading::Once)
}

/// `(deadlineMs?, signal?)`.
pub fn fetch_ordered_tools_snapshot<'env>(
    invocation: &Invocation<'env, Arc<Handle>>,
) -> JsResult<'env> {
    snapshot(invocation, Reading::InOrder)
}

/// `{ tools, complete, publicationRevision?, orderingUnavailable? }`. A list that a budget has cut is complete, as in the
/// reference.
fn snapshot<'env>(invocation: &Invocation<'env, Arc<Handle>>, reading: Reading) -> JsResult<'env> {
    let handle = Arc::clone(&invocation.target);
    let end = deadline(invocation.argument(0).as_number());
    let work = move |_: Manager, call: Arc<Call>| async move {
        let mut seen = handle.observe(&call, "tools/list", Params::None);
        let mut options = handle.options(&call);
        seen.follow(&mut options);
        options.deadline = end.map_or(options.deadline, |end| end.min(options.deadline));
        let list = async {
            call.host.tool_rules()?;
            let lease = handle.lease()?;
            let connection = lease.connection();
            seen.carried_by(connection);
            let publisher = connection.recipe.publisher.as_ref();
            Snapshot::read(connection, publisher, reading, &options).await
        };
        let list = list.await.and_then(Snapshot::complete);
        seen.end(list.as_ref(), false, handle.manager(), &call.host.logger);
        Ok(list.inspect_err(|error| {
            let prefix = handle.recipe(Recipe::log_prefix);
            let logger = &call.host.logger;
            logger.error(format!("{prefix} Failed to fetch tools: {error}"));
        }))
    };
    let prepared = invocation.abortable_call(1);
    invocation.run_with(
        prepared.map(|call| (call, work)),
        |scope, _, list: Result<Snapshot>| {
            let Ok(snapshot) = list else {
                let tools = scope.array(&[])?;
                return scope
                    .object()?
                    .with("tools", tools)?
                    .with("complete", false);
            };
            let unavailable = snapshot.ordering_unavailable.then_some(true);
            scope
                .object()?
                .with("tools", &*snapshot.list.tools)?
                .with("complete", true)?
                .optional("publicationRevision", snapshot.revision)?
                .optional("orderingUnavailable", unavailable)
        },
    )
}
