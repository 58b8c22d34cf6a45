//! Where the host caches tools, and those that it lists over connections of its own.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{HostValue, Result};
use crate::tools::RawTools;

/// Tools of a server, for the host's cache.
pub struct ToolUpdate<'a> {
    /// Absent for those of a server that all users share.
    pub user_id: Option<&'a str>,
    pub server_name: &'a str,
    /// Those that models may know of.
    pub tools: &'a Arc<RawTools>,
    /// What a user's tools were published under when they were asked for.
    pub generation: Option<&'a str>,
    /// The place of the list among those of a server that users share.
    pub revision: Option<&'a str>,
}

/// LibreChat's `updateMCPServerTools`: formats the tools, stores them, returns what it made of them.
#[async_trait]
pub trait ToolPublisher: Send + Sync {
    /// What the tools of a user and server are published under now. Another value than when the connection was made
    /// means that what was listed over it is out of date.
    async fn generation(&self, _user_id: &str, _server_name: &str) -> Result<Option<String>> {
        Ok(None)
    }
    /// Says that a connection made under this generation is in use, and learns whether it still holds; `None` where the
    /// host keeps no account of that.
    async fn renew(
        &self,
        _user_id: &str,
        _server_name: &str,
        _generation: &str,
    ) -> Result<Option<bool>> {
        Ok(None)
    }
    /// Whether the host keeps lists in order, by generations or revisions. One that does takes an empty list too, and
    /// answers with nothing where it has a newer one.
    fn is_ordered(&self) -> bool {
        false
    }
    /// Whether lists of servers that users share can be put in order, and so be published without a user.
    fn has_revisions(&self) -> bool {
        false
    }
    /// Reserves the place of a list that is about to be read over a connection that users share.
    async fn revision(&self, _server_name: &str) -> Result<Option<String>> {
        Ok(None)
    }
    async fn publish(&self, update: ToolUpdate<'_>) -> Result<Option<HostValue>>;
}

/// The tools of a server, listed over a connection that the host itself keeps.
pub struct HostTools {
    pub tools: Arc<RawTools>,
    /// As in [`ToolUpdate`].
    pub revision: Option<String>,
    /// The place of the list could not be reserved; the host publishes it again.
    pub ordering_unavailable: bool,
}

/// Connections to servers that users share, which the host keeps itself.
#[async_trait]
pub trait HostConnections: Send + Sync {
    /// `None` where the host has no open connection to the server, or no whole list.
    async fn tools(&self, server_name: &str) -> Result<Option<HostTools>>;
}
