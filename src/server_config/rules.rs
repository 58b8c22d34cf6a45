//! What an operator decides about the tools of a server: members of a config, and of `mcpSettings` for all servers.

mod reading;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::problem::{Checked, Members, Problem};
use crate::error::{Error, Result};

/// The rules as one place has them; what it does not say is absent.
#[derive(Debug, Clone, Default, Hash)]
pub struct ToolRules {
    /// Which tools there are.
    pub tools: Option<Arc<ToolFilter>>,
    /// What becomes of tools that nobody has approved.
    pub pins: Option<Pinning>,
    /// How often, and how many at a time, tools are called.
    pub limits: Option<CallLimits>,
    /// How large a result may be, as JSON.
    pub max_result_bytes: Option<NonZeroUsize>,
    /// What becomes of a larger one.
    pub overflow: Option<Overflow>,
}

/// `tools`: globs over the server's own names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ToolFilter {
    /// Absent: all.
    pub allow: Option<Vec<String>>,
    /// Comes before `allow`.
    pub deny: Vec<String>,
}

/// `pinTools`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pinning {
    Off,
    Warn,
    Block,
}

/// `limits`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CallLimits {
    /// Calls of one user to the server.
    pub per_user: Option<Rate>,
    /// Calls of all users to the server.
    pub per_server: Option<Rate>,
    /// Calls of all users that the server answers at the same time.
    pub concurrency: Option<u32>,
    /// Calls that wait for their turn.
    pub queue: Option<u32>,
}

/// So many calls in so long: `60/m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    pub calls: u32,
    pub per: Duration,
}

/// `overflow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overflow {
    Error,
    Cut,
    Resource,
}

impl ToolRules {
    /// The members that are read here.
    pub const MEMBERS: [&'static str; 5] =
        ["tools", "pinTools", "limits", "maxResultBytes", "overflow"];

    /// Those of them that a connection has nothing to do with: each call stands under what holds when it is made.
    pub const OF_CALLS: [&'static str; 3] = ["limits", "maxResultBytes", "overflow"];

    /// The rules of an operator's config, from its [`ToolRules::MEMBERS`] in their order. `None` where there are none.
    pub(super) fn of_config(values: &[Option<Value>; 5]) -> Result<Option<Arc<Self>>> {
        Ok(Self::of_values(values.each_ref().map(Option::as_ref))?)
    }

    /// The rules for all servers, which stand in `mcpSettings`. `None` where there are none.
    pub fn of_settings(settings: &Members) -> Result<Option<Arc<Self>>> {
        let read = Self::of_values(Self::MEMBERS.map(|name| settings.get(name)));
        read.map_err(|problem| {
            let (path, message) = (problem.path.join("."), problem.message);
            Error::invalid_config(format!("`mcpSettings.{path}` {message}"))
        })
    }

    fn of_values(values: [Option<&Value>; 5]) -> Result<Option<Arc<Self>>, Problem> {
        let mut rules = None;
        for (name, value) in Self::MEMBERS.into_iter().zip(values) {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                rules.get_or_insert_with(Self::default).read(name, value)?;
            }
        }
        Ok(rules.map(Arc::new))
    }

    /// What is wrong with one of these members, whoever it is of.
    pub(super) fn check(name: &str, value: &Value) -> Checked {
        Self::default().read(name, value)
    }

    /// What is wrong with the rules of an operator's config, which fails what is done with the server: the end of a path in
    /// backticks, and the fault.
    #[must_use]
    pub fn fault_of(config: &Map<String, Value>) -> Option<String> {
        Self::MEMBERS.into_iter().find_map(|name| {
            let value = config.get(name).filter(|value| !value.is_null())?;
            let Problem { path, message } = Self::check(name, value).err()?;
            Some(format!("{}` {message}", path.join(".")))
        })
    }

    /// The rules on which tools there are: a connection lists by those that it was made under.
    #[must_use]
    pub fn listing<'r>(
        own: Option<&'r Self>,
        all: Option<&'r Self>,
    ) -> (Option<&'r ToolFilter>, Option<Pinning>) {
        let either = [own, all];
        let tools = either
            .iter()
            .flatten()
            .find_map(|rules| rules.tools.as_deref());
        (tools, either.iter().flatten().find_map(|rules| rules.pins))
    }

    /// What holds for a server: its own rules, and for what they do not say those of all servers.
    #[must_use]
    pub fn effective(own: Option<&Arc<Self>>, all: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let (own, all) = match (own, all) {
            (Some(own), Some(all)) => (own, all),
            (one, other) => return one.or(other).cloned(),
        };
        Some(Arc::new(Self {
            tools: own.tools.clone().or_else(|| all.tools.clone()),
            pins: own.pins.or(all.pins),
            limits: own.limits.clone().or_else(|| all.limits.clone()),
            max_result_bytes: own.max_result_bytes.or(all.max_result_bytes),
            overflow: own.overflow.or(all.overflow),
        }))
    }
}
