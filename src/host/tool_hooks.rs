//! What the host says about the calls of tools, and about their results.

use async_trait::async_trait;
use serde_json::value::RawValue;

use crate::error::Result;

/// Which call it is about.
#[derive(Clone)]
pub struct AboutCall {
    pub call_id: String,
    pub server_name: String,
    /// The server's own name.
    pub tool_name: String,
    pub user_id: Option<String>,
    pub tenant_id: Option<String>,
}

/// A call that is about to be made.
pub struct CallInQuestion {
    pub about: AboutCall,
    /// Absent for a task that is gone on with: the server has them already.
    pub arguments: Option<Box<RawValue>>,
}

/// What a server has answered a call with.
pub struct ResultInQuestion {
    pub about: AboutCall,
    pub is_error: bool,
    pub result: Box<RawValue>,
}

/// What becomes of a call, or of a result. The default is to go on.
#[derive(Default)]
pub struct Verdict {
    /// Why it is refused.
    pub refusal: Option<String>,
    /// What goes in place of the arguments, or of the result.
    pub instead: Option<Box<RawValue>>,
    /// How much of the user's share of the server the call takes, where it is not one.
    pub weight: Option<f64>,
}

/// `onToolCall` and `onToolResult`.
#[async_trait]
pub trait ToolHooks: Send + Sync {
    fn judges_calls(&self) -> bool;
    fn judges_results(&self) -> bool;
    async fn judge_call(&self, call: CallInQuestion) -> Result<Verdict>;
    async fn judge_result(&self, result: ResultInQuestion) -> Result<Verdict>;
}
