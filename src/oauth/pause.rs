//! Between attempts to keep what an authorization server has given once and will not give again.

use std::time::Duration;

/// Before the second attempt; before each further one as much longer.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
