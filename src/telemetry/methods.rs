//! The methods that metrics and spans know by name.

/// Any other method: what callers may send is not bounded.
pub const OTHER_METHOD: &str = "_other";

const METHODS: [&str; 18] = [
    "completion/complete",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// The name that a method is counted by.
#[must_use]
pub fn method_name(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or(OTHER_METHOD)
}
