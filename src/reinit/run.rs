//! One call under way: what it was asked for, and how its waits end.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::cancel::until_cancelled;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::manager::{CallScope, Manager};
use crate::settings::Settings;
use crate::user::User;

/// The parameters of one call.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a parameter of its own"
)]
pub struct Reinit {
    pub host: Host,
    pub settings: Arc<Settings>,
    pub user: Option<User>,
    pub server_name: Option<String>,
    pub force_new: bool,
    /// The user's values for this server's `customUserVars`.
    pub user_vars: Option<IndexMap<String, String>>,
    pub connection_timeout: Option<Duration>,
    /// Hand out the authorization URL and return, instead of waiting for the user.
    pub return_on_oauth: bool,
    /// A config that the caller already has; the registry is not asked.
    pub server_config: Option<Map<String, Value>>,
    /// `Some` when the caller passed the key `requestBody`.
    pub request_body: Option<IndexMap<String, String>>,
    /// Whether the caller brought `configServers`, which the registry prefers to its own.
    pub has_config_servers: bool,
    /// Whether the connection is to be the user's own, whatever the config allows.
    pub is_principals: bool,
    /// The number of the chat request, where the host keeps connections for it.
    pub request: Option<u64>,
    pub cancel: CancellationToken,
}

/// A call under way.
pub(super) struct Run<'a> {
    pub(super) manager: &'a Manager,
    pub(super) call: &'a Reinit,
    pub(super) name: &'a str,
    pub(super) cancel: CancellationToken,
}

impl Run<'_> {
    pub(super) fn scope(&self) -> CallScope<'_> {
        let call = self.call;
        CallScope {
            host: &call.host,
            settings: &call.settings,
            user: call.user.as_ref(),
            user_vars: call.user_vars.as_ref(),
            body: call.request_body.as_ref(),
            request: call.request,
            config_is_registered: call.server_config.is_none() && !call.has_config_servers,
            is_principals: call.is_principals,
        }
    }

    pub(super) fn user_id(&self) -> Option<&str> {
        self.call.user.as_ref().and_then(|user| user.id.as_deref())
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.manager.closing().is_cancelled() {
            return Err(Error::closed());
        }
        if self.call.cancel.is_cancelled() {
            Err(Error::aborted())
        } else {
            Ok(())
        }
    }

    /// Every wait ends with the call's abort and with the runtime.
    pub(super) async fn until_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        until_cancelled(&self.call.cancel, self.manager.closing(), work).await
    }
}
