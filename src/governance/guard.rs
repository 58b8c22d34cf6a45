//! Which tools of a server there are for whoever uses a connection.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::filter::{kept, refusing};
use super::pins::{Admission, Listing, PinScope, Pins, Watched};
use super::unavailable::unavailable;
use crate::error::{Code, Result};
use crate::server_config::{Pinning, ToolFilter, ToolRules};

/// Stands before the tools of one server: every list goes through it, and every call.
pub struct Guard {
    pub rules: Arc<ToolRules>,
    pub server_name: Arc<str>,
    /// Under `pinTools` other than `off`.
    pub pins: Option<Arc<Pins>>,
}

impl Guard {
    /// `None` where no rule is about which tools there are.
    #[must_use]
    pub fn of(
        rules: Option<&Arc<ToolRules>>,
        server_name: &Arc<str>,
        watched: impl FnOnce() -> Watched,
    ) -> Option<Arc<Self>> {
        let rules = rules.filter(|rules| rules.tools.is_some() || rules.pins.is_some())?;
        let pinning = rules.pins.filter(|pinning| *pinning != Pinning::Off);
        Some(Arc::new(Self {
            rules: Arc::clone(rules),
            server_name: Arc::clone(server_name),
            pins: pinning.map(|pinning| Arc::new(Pins::new(pinning, watched()))),
        }))
    }

    /// A page of `tools/list` without the tools that are not there.
    pub async fn shown(
        &self,
        page: Box<RawValue>,
        listing: Listing,
        scope: Option<&PinScope>,
    ) -> Result<Box<RawValue>> {
        let page = match &self.rules.tools {
            Some(filter) => kept(page, filter)?,
            None => page,
        };
        match &self.pins {
            Some(pins) => pins.shown(page, listing, scope).await,
            None => Ok(page),
        }
    }

    /// Fails where a tool is not there; `tool` is the server's own name, absent for a call that names none. `after_list` as
    /// in [`Pins::admits`].
    pub async fn check(
        &self,
        tool: Option<&str>,
        changes: u64,
        after_list: Option<&str>,
        scope: Option<&PinScope>,
    ) -> Result<Admission> {
        if let Some(filter) = &self.rules.tools {
            self.check_name(filter, tool.unwrap_or_default())?;
        }
        match &self.pins {
            Some(pins) => pins.admits(tool, changes, after_list, scope).await,
            None => Ok(Admission::Granted),
        }
    }

    fn check_name(&self, filter: &ToolFilter, tool: &str) -> Result<()> {
        let Some(rule) = refusing(filter, tool) else {
            return Ok(());
        };
        let why = format!("`{rule}` of the server's config or of mcpSettings keeps it away");
        Err(unavailable(Code::ToolDenied, &self.server_name, tool, &why))
    }
}
