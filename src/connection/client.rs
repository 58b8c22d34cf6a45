//! Who the client of a connection is: what the server is told of it, and whom it may ask.

use std::sync::Arc;

use rmcp::model::{
    ClientCapabilities, ElicitationCapability, ErrorData, Implementation, InitializeRequestParams,
    ProtocolVersion, RootsCapabilities, SamplingCapability,
};

use super::caller::{Caller, ELICITATION, ROOTS, SAMPLING};
use super::events::{Event, Observer};
use crate::log::Logger;

/// Name and version that LibreChat's client gives to servers.
const CLIENT_NAME: &str = "@librechat/api-client";
const CLIENT_VERSION: &str = "1.2.3";

pub struct Client {
    /// The owner of the connection. Without a user it is one that users share.
    pub owner: Caller,
    /// Whether the wire says in which call a server asks.
    pub attributes: bool,
    pub observer: Option<Arc<dyn Observer>>,
    pub logger: Logger,
}

impl Client {
    pub fn notice(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer.notice(event);
        }
    }

    /// Whoever answers what belongs to no call.
    ///
    /// Nobody does on a connection that users share: whoever connected first is not whom the server asks.
    pub fn owner(&self) -> Result<&Caller, ErrorData> {
        if self.owner.peer.user_id.is_some() {
            return Ok(&self.owner);
        }
        Err(ErrorData::invalid_request(
            "Several users share this connection, and the request belongs to no call of any of them, so that nobody can answer it (`startup: false` in the server's config gives each user a connection)",
            None,
        ))
    }

    /// The parameters of `initialize`; a server of 2026-07-28 gets the same with each request.
    pub fn describe(&self) -> InitializeRequestParams {
        // A server is not invited to ask what nobody could answer.
        let can_answer = self.attributes || self.owner.peer.user_id.is_some();
        let answers = |method| can_answer && self.owner.answers(method);
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = answers(SAMPLING).then(SamplingCapability::default);
        capabilities.elicitation = answers(ELICITATION).then(ElicitationCapability::default);
        capabilities.roots = answers(ROOTS).then(RootsCapabilities::default);
        InitializeRequestParams::new(
            capabilities,
            Implementation::new(CLIENT_NAME, CLIENT_VERSION),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}
