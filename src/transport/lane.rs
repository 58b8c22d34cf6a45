//! In what the wires to a server differ: over Streamable HTTP an answer belongs to the request that it came with, over all
//! others one stream carries the answers to all requests.

use std::sync::Arc;

use super::streamable_http::StreamableHttp;
use super::wire::Wire;

/// A wire to one server. Cheap to clone.
#[derive(Clone)]
pub enum Lane {
    Direct(Arc<StreamableHttp>),
    Duplex(Arc<dyn Wire>),
}
