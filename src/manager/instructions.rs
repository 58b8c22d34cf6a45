//! Instructions of servers, for the model's context (`packages/api/src/mcp/MCPManager.ts`,
//! `formatInstructionsForContext`).

use std::fmt::Write;

/// One text with a section for each server; empty without any.
#[must_use]
pub fn format_instructions(instructions: &[(String, String)]) -> String {
    if instructions.is_empty() {
        return String::new();
    }
    let mut sections = String::new();
    for (server_name, text) in instructions {
        if !sections.is_empty() {
            sections.push_str("\n\n");
        }
        // Writing to a string cannot fail.
        let _ = write!(
            sections,
            "## {server_name} MCP Server Instructions\n\n{text}"
        );
    }
    format!(
        "# MCP Server Instructions\n\nThe following MCP servers are available with their specific instructions:\n\n{sections}\n\n\
         Please follow these instructions when using tools from the respective MCP servers."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_for_each_server() {
        assert_eq!(format_instructions(&[]), "");
        let two = [
            ("a".to_owned(), "Do.".to_owned()),
            ("b".to_owned(), "Don't.".to_owned()),
        ];
        assert_eq!(
            format_instructions(&two),
            "# MCP Server Instructions\n\nThe following MCP servers are available with their specific instructions:\n\n\
             ## a MCP Server Instructions\n\nDo.\n\n## b MCP Server Instructions\n\nDon't.\n\n\
             Please follow these instructions when using tools from the respective MCP servers."
        );
    }
}
