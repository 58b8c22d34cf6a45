//! What is said of a tool that an operator keeps away.

use crate::error::{Code, Error};
use crate::foreign_text::{SentSecrets, foreign_text};

/// The tool is called by its name, which a model or a server may have written.
pub fn unavailable(code: Code, server_name: &str, tool: &str, why: &str) -> Error {
    let tool = foreign_text(tool, &SentSecrets::default());
    let message = format!("Tool '{tool}' of MCP server '{server_name}' is not available: {why}");
    Error::new(code, message)
}
