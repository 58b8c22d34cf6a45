//! What a server is: model, placeholders, policy.
//!
//! A [`ServerConfig`] is the template as somebody configured it. [`resolve`] fills in environment variables and
//! placeholders for one call and says which transport results. Everything here is pure: the environment is what the
//! [`Context`] carries, and nothing is remembered.

mod api_key;
mod coordination;
mod environment;
mod extensions;
mod find_named;
mod fingerprint;
mod forwarded;
mod grant;
mod header;
mod members;
mod messages;
mod model;
mod named;
mod names;
mod obo_permission;
mod openid;
mod placeholders;
mod policy;
mod problem;
mod process;
mod raw;
mod redact;
mod references;
mod resolve;
mod rules;
mod secrets;
mod source;
mod stderr;
#[cfg(test)]
mod testing;
mod text;
mod timestamp;
mod tls;
mod validate;

pub use coordination::Coordination;
pub use extensions::check_extensions;
pub use fingerprint::{Fingerprint, fingerprint};
pub use forwarded::Frame;
pub use grant::Grant;
pub use header::{Setter, is_sent};
pub use messages::{is_client_rejection_message, is_invalid_client_message};
pub use model::{ServerConfig, ServerInstructions, TransportKind, is_enabled};
pub use names::{build_oauth_tool_call_name, normalize_server_name, sanitize_url_for_logging};
pub use obo_permission::locked_obo_fields;
pub use openid::OpenIdTokenInfo;
pub use placeholders::{Context, USER_FIELDS};
pub use process::process_mcp_env;
pub use raw::RawConfig;
pub use redact::{
    EDITORS as EDITORS_MEMBERS, SHOWN as SHOWN_MEMBERS, SHOWN_OAUTH, SHOWN_URLS, redact_icon,
    redact_url,
};
pub use references::env_references;
pub use resolve::{ResolvedConfig, Transport, headers_for_call, headers_for_tool_call, resolve};
pub use rules::{CallLimits, Overflow, Pinning, Rate, ToolFilter, ToolRules};
pub use source::is_plugin_sourced;
pub use stderr::Stderr;
pub use validate::{Author, Input, Issue, PathPart, parse};
