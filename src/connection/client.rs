//! Who the client of a connection is: what the server is told of it, and whom it may ask.

use std::sync::Arc;

use rmcp::model::{
    ClientCapabilities, ElicitationCapability, ErrorData, FormElicitationCapability,
    Implementation, InitializeRequestParams, ProtocolVersion, RootsCapabilities,
    SamplingCapability, UrlElicitationCapability,
};
use serde_json::{Map, Value};

use super::caller::{
    Caller, ELICITATION, LOG_MESSAGE, ROOTS, SAMPLING, Unanswered, reply_without_host,
};
use super::events::{Event, Observer};
use super::url_elicitation;
use crate::host::ClientProfile;
use crate::log::Logger;

/// Name and version that LibreChat's client gives to servers.
const CLIENT_NAME: &str = "@librechat/api-client";
const CLIENT_VERSION: &str = "1.2.3";

pub struct Client {
    /// The owner of the connection. Without a user it is one that users share.
    pub owner: Caller,
    /// Whether the wire says in which call a server asks.
    pub attributes: bool,
    pub profile: Arc<ClientProfile>,
    /// Extensions of the server's config.
    pub extensions: Option<Arc<Map<String, Value>>>,
    /// Whether the server's config lets it ask for elicitations.
    pub elicits: bool,
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
            "Several users share this connection, and the request belongs to no call of any of them, so that nobody can answer it (`shared: false` in the server's config gives each user a connection)",
            None,
        ))
    }

    /// Whether the host answers this method, and the server may ask for it.
    pub fn answers(&self, method: &str) -> bool {
        self.owner.answers(method) && (self.elicits || method != ELICITATION)
    }

    /// A host that answers a server wrongly, or not at all, is told so.
    pub(super) fn told(&self, method: &str, unanswered: Unanswered) -> Unanswered {
        if let Some(fault) = &unanswered.fault {
            self.logger.warn(format!(
                "The host has not answered what the server asked ({method}): {fault}"
            ));
        }
        unanswered
    }

    /// Whether the host hears the log messages of servers.
    pub fn hears_log(&self) -> bool {
        self.owner.hears(LOG_MESSAGE)
    }

    /// Judges a request before the host is asked: it asks for nothing that the server was not told of, and sends nobody to
    /// a URL that is none of the web.
    pub fn permits(&self, method: &str, params: &mut Value) -> Result<(), ErrorData> {
        let has = |name: &str| params.get(name).is_some_and(|it| !it.is_null());
        match method {
            ELICITATION if !self.elicits => reply_without_host(method).map(drop),
            ELICITATION => url_elicitation::check(params),
            SAMPLING if !self.profile.samples_with_tools && (has("tools") || has("toolChoice")) => {
                Err(ErrorData::invalid_params(
                    "The client has not declared `sampling.tools`",
                    None,
                ))
            }
            _ => Ok(()),
        }
    }

    /// The parameters of `initialize`; a server of 2026-07-28 gets the same with each request.
    pub fn describe(&self) -> InitializeRequestParams {
        // A server is not invited to ask what nobody could answer.
        let can_answer = self.attributes || self.owner.peer.user_id.is_some();
        let answers = |method| can_answer && self.answers(method);
        let profile = &self.profile;
        let mut sampling = SamplingCapability::default();
        sampling.tools = profile.samples_with_tools.then(Map::default);
        sampling.context = profile.samples_with_context.then(Map::default);
        let elicitation = ElicitationCapability::new()
            .with_form(FormElicitationCapability::new())
            .with_url(UrlElicitationCapability::new());
        let extensions = profile.extensions_for(self.extensions.as_deref());
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = answers(SAMPLING).then_some(sampling);
        capabilities.elicitation = answers(ELICITATION).then_some(elicitation);
        capabilities.roots = answers(ROOTS).then(RootsCapabilities::default);
        capabilities.extensions = (!extensions.is_empty()).then_some(extensions);
        let info = profile.info.clone();
        InitializeRequestParams::new(
            capabilities,
            info.unwrap_or_else(|| Implementation::new(CLIENT_NAME, CLIENT_VERSION)),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}
