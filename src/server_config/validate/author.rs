//! Who wrote a config.

/// Who wrote the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// Somebody who may decide what the server process does and sends.
    Administrator,
    /// Somebody who uses the application: no processes, no environment, no proxy, no audience.
    User,
}
