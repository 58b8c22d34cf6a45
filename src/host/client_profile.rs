//! The client as the host wants servers to see it.

use rmcp::model::{ExtensionCapabilities, Implementation};
use serde_json::{Map, Value};

/// What servers are told of the client beside what follows from the host's handlers.
#[derive(Debug, Default)]
pub struct ClientProfile {
    /// Absent: LibreChat's client.
    pub info: Option<Implementation>,
    /// Settings of extensions by identifier (SEP-2133).
    pub extensions: Map<String, Value>,
    /// Whether the host's `sampling` takes `tools` and `toolChoice` (SEP-1577).
    pub samples_with_tools: bool,
    /// Whether it takes `includeContext`.
    pub samples_with_context: bool,
}

impl ClientProfile {
    /// Whether a server with this config of its own is told of an extension.
    #[must_use]
    pub fn has_extension(&self, name: &str, server: Option<&Map<String, Value>>) -> bool {
        let of_server = server.and_then(|it| it.get(name));
        let settings = of_server.or_else(|| self.extensions.get(name));
        settings.is_some_and(Value::is_object)
    }

    /// The extensions that a server is told of. Those of its own config come over the host's; `null` takes one away.
    #[must_use]
    pub fn extensions_for(&self, server: Option<&Map<String, Value>>) -> ExtensionCapabilities {
        let mut extensions = ExtensionCapabilities::new();
        for (name, settings) in self.extensions.iter().chain(server.into_iter().flatten()) {
            match settings {
                Value::Object(settings) => {
                    extensions.insert(name.clone(), settings.clone());
                }
                _ => {
                    extensions.remove(name);
                }
            }
        }
        extensions
    }
}
