//! `stderr` of a config.

use serde_json::Value;

use super::members::wrong_type;
use crate::error::Result;

/// What becomes of the standard error of a child process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stderr {
    /// Line by line to the log, at debug level.
    Pipe,
    Ignore,
    /// To the stderr of this process, as in the TypeScript SDK; to `/dev/null` where this process has none.
    #[default]
    Inherit,
    /// To another open descriptor of this process.
    Descriptor(u32),
}

pub(super) fn stderr(value: Option<Value>) -> Result<Stderr> {
    let wrong = || wrong_type("stderr", "`pipe`, `ignore`, `inherit` or a file descriptor");
    let Some(value) = value else {
        return Ok(Stderr::default());
    };
    match value.as_str() {
        Some("pipe") => Ok(Stderr::Pipe),
        Some("ignore") => Ok(Stderr::Ignore),
        Some("inherit") => Ok(Stderr::Inherit),
        Some(_) => Err(wrong()),
        None => value
            .as_u64()
            .and_then(|descriptor| u32::try_from(descriptor).ok())
            .map(Stderr::Descriptor)
            .ok_or_else(wrong),
    }
}
