//! The generations of the protocol.

use rmcp::model::ProtocolVersion;

/// The version that `server/discover` came with.
pub(super) const DISCOVERED: ProtocolVersion = ProtocolVersion::V_2026_07_28;

/// Which generation of the protocol a server speaks, once known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// `initialize` and sessions, up to 2025-11-25.
    Initialize,
    /// `server/discover` and self-contained requests, from 2026-07-28.
    Discover,
}
