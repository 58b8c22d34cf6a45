//! What a host callback threw, as the core carries it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A value of the host that the core carries but cannot look into, such as what a host callback returned.
pub type HostValue = Arc<dyn Any + Send + Sync>;

/// What a host callback threw or rejected with.
#[derive(Clone)]
pub struct HostFault {
    pub message: String,
    /// The thrown value itself.
    pub value: Option<HostValue>,
}

impl fmt::Debug for HostFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostFault")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
