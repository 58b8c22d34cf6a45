//! Flows by what they are for.

/// Types of flows in `LibreChat`'s flow store.
pub const FLOW_KIND: &str = "mcp_oauth";
pub const STATE_KIND: &str = "mcp_oauth_state";
pub const CLAIM_KIND: &str = "mcp_get_tokens";
