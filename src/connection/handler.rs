//! What the client answers to a server.

use rmcp::ClientHandler;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};

/// Name and version that LibreChat's client gives to servers.
const CLIENT_NAME: &str = "@librechat/api-client";
const CLIENT_VERSION: &str = "1.2.3";

/// Answers `ping` and `roots/list` (with no roots); declares no capability.
#[derive(Debug, Clone, Default)]
pub struct Handler;

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new(CLIENT_NAME, CLIENT_VERSION),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}
