//! What happens to a connection while nobody asks it anything.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// An attempt begins.
    Connecting,
    Connected,
    /// An attempt, or the last of several, came to nothing.
    Failed,
    /// The transport ended, and not because we closed it.
    Lost,
    /// We ended the connection.
    Closed,
    ToolsChanged,
    ResourcesChanged,
    PromptsChanged,
    /// The server holds on to the lost GET stream of the session, and refuses another: only a new session gets one.
    Conflicted,
    /// The tokens of now may be of another login than the session, which only ends what it has begun.
    Superseded,
}

/// Whoever owns the connection.
pub trait Observer: Send + Sync {
    fn notice(&self, event: Event);
    /// Whether somebody wants to know of such a change of a list. Asked where it costs a stream to hear of it.
    fn hears(&self, _change: Event) -> bool {
        false
    }
    /// A resource has changed that the connection is subscribed to, or a part of one.
    fn resource_updated(&self, _uri: &str) {}
}
