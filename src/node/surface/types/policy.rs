//! What policy functions answer.

use napi_derive::napi;

/// A problem with a config.
#[napi(
    object,
    js_name = "MCPConfigIssue",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpConfigIssue {
    /// Names and indexes that lead to the member.
    #[napi(ts_type = "Array<string | number>")]
    pub path: (),
    /// What is wrong there, for people.
    pub message: String,
}
