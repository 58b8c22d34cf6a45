//! Whose connection is it: app-level connections that all users share, and each user's own.

mod acquire;
mod attempt;
mod authorize;
mod breakers;
mod call_tool;
mod connecting;
mod content;
mod directory;
mod discover;
mod exchanger;
mod failure;
mod format;
mod forwarding;
mod governed;
mod grants;
mod health;
mod hidden_tools;
mod idle;
mod inspect;
mod instructions;
mod key;
mod lease;
mod names;
mod obo;
mod observation;
mod observe;
mod outdated;
mod pool;
mod publish;
mod recipe;
mod refresh;
mod renewal;
mod request;
mod resend;
mod results;
mod schema;
mod scope;
mod server_call;
mod slot;
mod state;
mod subscriber;
#[cfg(test)]
mod tests;
mod token_request;
mod visibility;
mod watch;
mod wire_names;

pub use acquire::Acquire;
pub use authorize::{Consent, ConsentOutcome, IssuedUrl};
pub use call_tool::{ToolOutcome, is_tool_error};
pub use content::{Item, ToolContent, format_content};
pub use directory::{ConnectionState, ConnectionStats};
pub use discover::{Discover, Discovered};
pub use format::MissingFields;
pub use governed::{Governed, Subject};
pub use inspect::{Inspect, Inspection, NotInspected};
pub use instructions::format_instructions;
pub use key::{Key, Owner};
pub use lease::Lease;
pub use names::Naming;
pub use observation::Observation;
pub use outdated::Outdated;
pub use publish::{Publication, Reading, Snapshot, generation_of, publish_tools};
pub use request::Disposal;
pub use resend::Credentials;
pub use scope::{
    CallScope, HeaderTokens, ServerScope, may_be_shared, missing_user_vars, registered_config,
    template, with_bearer,
};
pub use server_call::ServerCall;
pub use state::{Manager, WeakManager};
pub use subscriber::{Relisted, Subscriber};
pub use token_request::TokenRequest;
