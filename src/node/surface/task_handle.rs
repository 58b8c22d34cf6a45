//! The handle of a task, as JavaScript gives it.

use crate::connection::TaskHandle;
use crate::node::engine::JsResult;
use crate::node::marshal::params::Params;

/// `params.task`, which is required.
pub fn read<'env>(params: &Params<'env>, function: &str) -> JsResult<'env, TaskHandle> {
    let handle = params
        .object_member("task")?
        .map(|handle| handle.to_exact_json(&format!("{function}: params.task")))
        .transpose()?
        .flatten();
    let handle = handle.ok_or_else(|| params.wrong("task", "must be the handle of a task"))?;
    TaskHandle::from_json(&handle)
        .map_err(|(member, expected)| params.wrong(&format!("task.{member}"), expected))
}
