//! Who is told about connections.

use std::sync::Arc;

use super::key::Key;
use crate::connection::Event;
use crate::tools::RawTools;

/// The tools of a connection as they were listed anew.
#[derive(Clone)]
pub struct Relisted {
    pub tools: Arc<RawTools>,
    pub revision: Option<String>,
}

/// Told about the events of all connections of a runtime.
pub trait Subscriber: Send + Sync {
    fn notice(&self, key: &Key, event: Event);
    /// Whether somebody may want to know which tools a connection has now.
    fn hears_tools(&self, key: &Key) -> bool;
    fn tools(&self, key: &Key, tools: Relisted);
    /// A resource that the connection is subscribed to has changed, or a part of one.
    fn resource_updated(&self, key: &Key, uri: &str);
}
