//! One MCP session: how it is made, what it answers, how it ends.
//!
//! A [`Recipe`] is data; [`connect`] turns it into a [`Connection`]. A connection that was lost is never mended in
//! place: its owner makes a new one from a recipe.

mod access;
mod answers;
mod asked;
mod authorized;
mod breaker;
mod cached;
mod caching;
mod caller;
mod client;
mod connect;
mod deliver;
mod engine;
mod established;
mod events;
mod failures;
mod generation;
mod guarded;
mod handshake;
mod inbound;
mod known;
mod known_lists;
mod listening;
mod lists;
mod liveness;
mod login;
#[cfg(test)]
mod memory;
mod notices;
mod options;
mod pages;
mod param_headers;
mod receiver;
mod recipe;
#[cfg(test)]
mod recording_wire;
mod renewal;
mod request;
mod requests;
mod result_cache;
mod result_type;
mod rounds;
mod sending;
mod sent;
mod session;
mod shared;
mod shared_breaker;
mod standard;
mod subscriptions;
mod tasks;
mod tools;
mod updates;
mod url_elicitation;
mod verdict;

pub use access::{Access, AccessTokens};
pub use answers::Dropped;
pub use authorized::connect_authorized;
pub use breaker::{Breaker, Breakers};
pub use caller::Caller;
pub use connect::{DEFAULT_INIT_TIMEOUT, LastFailure, connect};
pub use established::Connection;
pub use events::{Event, Observer};
pub(crate) use failures::{gone, is_superseded};
pub use generation::Generation;
pub use handshake::Described;
pub use known::Known;
pub use known_lists::KnownLists;
pub use login::{KNOWN_SETS, Login, LoginInUse};
#[cfg(test)]
pub(crate) use memory::{MemoryServer, Script};
pub use options::{CallOptions, Progress, ProgressSink, SentId};
pub use recipe::Recipe;
pub use result_cache::ResultCache;
#[cfg(test)]
pub(crate) use shared::MemoryStore;
pub use shared::{EpochMark, Parting, SharedSession, Sharing};
pub use shared_breaker::SharedBreaker;
pub use tasks::{KeptRequest, TaskCall, TaskHandle, TaskSink};
pub use tools::{ToolList, list_tools, list_tools_in_order};

pub use crate::clock::now_ms;
pub use crate::log::log_prefix;
pub use crate::transport::message::Params;
