//! Listing tools: all pages, within budgets, as the server wrote them (MCP, chapter "Tools").

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::established::Connection;
use super::known_lists::{KnownList, KnownLists};
use super::options::CallOptions;
use super::pages::{Collect, End, Paging};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::nesting::{self, MAX_NESTING};
use crate::settings::ToolsListBudget;
use crate::tools::{RawTools, members, name_among};

/// The tools of a server.
#[derive(Debug, Clone)]
pub struct ToolList {
    /// Each tool as it was sent, in order.
    pub tools: Arc<RawTools>,
    /// Why the list is not the whole one: a broken budget ([`Code::ToolsListBudget`]) or a repeated cursor.
    pub incomplete: Option<Error>,
    /// What the server listed and nobody can use: it is not among them.
    pub left_out: Option<Error>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor", default)]
    next_cursor: Value,
}

/// Reads all pages of `tools/list`. A server without the tools capability is not asked. Entries that are no tools, and tools
/// that are nested deeper than anybody could use, are left out, with a warning.
///
/// # Errors
/// [`Code::ToolsListFailed`] with the cause when a page cannot be had, [`Code::ToolsListBudget`] when not even the
/// first tool fits the budget.
pub async fn list_tools(connection: &Connection, options: &CallOptions) -> Result<ToolList> {
    let list = read_pages(connection, options).await?;
    if let Some(left_out) = &list.left_out {
        let logger = &connection.recipe.logger;
        logger.warn(format!("{} {left_out}", connection.recipe.log_prefix()));
    }
    Ok(list)
}

async fn read_pages(connection: &Connection, options: &CallOptions) -> Result<ToolList> {
    let described = connection.described()?;
    let budget = &connection.recipe.settings.tools_list;
    let mut collected = Collected::within(budget, &connection.recipe.lists);
    if described.capabilities.tools.is_none() {
        return collected.finish(None);
    }
    let timeout = connection.recipe.config.timeout;
    let paging = Paging {
        method: "tools/list",
        members: Map::new(),
        options,
        page_timeout: Some(timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT)),
    };
    let generation = described.generation();
    let read = connection.read_pages(paging, generation, &mut collected);
    let incomplete = match read.await.map_err(failed)? {
        End::Over => collected.full.take(),
        End::Repeated => {
            // It has sent pages again.
            collected.tools.retain_first_of_each_name();
            Some(broken("repeated a tools/list cursor"))
        }
        End::Broken(_) => Some(broken("sent a tools/list cursor that is no text")),
        End::Budget("MAX_PAGES", _) => {
            let limit = budget.max_pages;
            Some(over("MCP_TOOLS_LIST_MAX_PAGES", limit, "page(s)"))
        }
        End::Budget(..) => {
            let limit = budget.timeout.as_millis();
            Some(over("MCP_TOOLS_LIST_TIMEOUT_MS", limit, "ms"))
        }
    };
    collected.finish(incomplete)
}

/// Lists while the server keeps announcing changes, at most this often.
const ORDERED_LISTS: usize = 3;

/// The same, but no list that an announcement during the listing may have made out of date: such a list is read again.
///
/// # Errors
/// [`Code::ToolsListFailed`] also for a server that announces changes each time.
pub async fn list_tools_in_order(
    connection: &Connection,
    options: &CallOptions,
) -> Result<ToolList> {
    for _ in 0..ORDERED_LISTS {
        let before = connection.tools_changes();
        let list = list_tools(connection, options).await?;
        if connection.tools_changes() == before {
            return Ok(list);
        }
    }
    let message = "The server changed its tools each time they were listed";
    Err(Error::new(Code::ToolsListFailed, message).with_retryable(true))
}

/// Bound on one request where the config has no `timeout`.
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

struct Collected<'a> {
    budget: &'a ToolsListBudget,
    lists: &'a KnownLists,
    /// A page was taken.
    has_begun: bool,
    /// The page that is all of the list, where that may be remembered.
    only_page: Option<Box<str>>,
    /// What that was read as before.
    known: Option<KnownList>,
    tools: RawTools,
    /// What the server sent.
    bytes: usize,
    /// Names of tools that are nested too deeply.
    too_deep: Vec<String>,
    /// How many entries were no tools.
    no_tools: usize,
    /// The budget that the next tool would break.
    full: Option<Error>,
}

impl Collect for Collected<'_> {
    fn is_empty(&self) -> bool {
        self.tools.count() == 0
    }

    fn take(&mut self, answer: Box<RawValue>) -> Result<Option<Value>> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first {
            self.known = self.lists.find(answer.get(), self.budget);
        }
        if self.known.is_some() {
            return Ok(Some(Value::Null));
        }
        let page: Page<'_> = serde_json::from_str(answer.get()).map_err(|_| {
            Error::new(
                Code::InvalidResponse,
                "The server answered tools/list without a list of tools",
            )
        })?;
        for tool in page.tools {
            // A schema may have all the levels, the tool is one more.
            if nesting::is_deeper(tool.get(), MAX_NESTING + 1) {
                self.too_deep.push(name_of(tool));
                continue;
            }
            self.full = self.refuses(tool);
            if self.full.is_some() {
                return Ok(None);
            }
            self.push(tool);
        }
        let next = page.next_cursor;
        if is_first && next.is_null() && KnownLists::takes(answer.get()) {
            self.only_page = Some(answer.into());
        }
        Ok(Some(next))
    }
}

impl<'a> Collected<'a> {
    fn within(budget: &'a ToolsListBudget, lists: &'a KnownLists) -> Self {
        Self {
            budget,
            lists,
            has_begun: false,
            only_page: None,
            known: None,
            tools: RawTools::default(),
            bytes: 0,
            too_deep: Vec::new(),
            no_tools: 0,
            full: None,
        }
    }

    fn refuses(&self, tool: &RawValue) -> Option<Error> {
        let budget = self.budget;
        if self.tools.count() >= budget.max_tools {
            return Some(over(
                "MCP_TOOLS_LIST_MAX_TOOLS",
                budget.max_tools,
                "tool(s)",
            ));
        }
        (self.bytes + size(tool) > budget.max_bytes)
            .then(|| over("MCP_TOOLS_LIST_MAX_BYTES", budget.max_bytes, "bytes"))
    }

    fn push(&mut self, tool: &RawValue) {
        self.bytes += size(tool);
        if !self.tools.push(tool) {
            self.no_tools += 1;
        }
    }

    fn finish(mut self, incomplete: Option<Error>) -> Result<ToolList> {
        if let Some(known) = self.known.take() {
            return Ok(ToolList {
                tools: known.tools,
                incomplete: None,
                left_out: known.left_out,
            });
        }
        if self.only_page.is_some() {
            self.tools.give_number();
        }
        match incomplete {
            Some(error) if self.tools.count() == 0 => Err(error),
            incomplete => {
                let list = ToolList {
                    left_out: self.left_out(),
                    tools: Arc::new(self.tools),
                    incomplete,
                };
                if let Some(page) = self.only_page {
                    let known = KnownList {
                        tools: Arc::clone(&list.tools),
                        left_out: list.left_out.clone(),
                    };
                    self.lists.keep(page, known, self.budget.clone());
                }
                Ok(list)
            }
        }
    }

    fn left_out(&self) -> Option<Error> {
        let mut kinds = Vec::new();
        if self.no_tools > 0 {
            let count = self.no_tools;
            kinds.push(format!("{count} without a name, which are no tools"));
        }
        if !self.too_deep.is_empty() {
            let names = foreign_text(&self.too_deep.join(", "), &SentSecrets::default());
            kinds.push(format!(
                "tools whose schemas are nested deeper than {MAX_NESTING} levels: {names}"
            ));
        }
        let kinds = (!kinds.is_empty()).then(|| kinds.join("; "))?;
        let message = format!("Left out of the list: {kinds}");
        Some(Error::new(Code::InvalidResponse, message))
    }
}

/// For a list that ends before its end.
fn broken(what: &str) -> Error {
    let message = format!("The server {what}; the list ends there");
    Error::new(Code::ToolsListFailed, message)
}

fn name_of(tool: &RawValue) -> String {
    let name = members(tool).and_then(|members| name_among(&members).map(Cow::into_owned));
    name.unwrap_or_else(|| "(nameless)".to_owned())
}

/// A tool in an array.
fn size(tool: &RawValue) -> usize {
    tool.get().len() + 1
}

fn over(variable: &str, limit: impl std::fmt::Display, unit: &str) -> Error {
    Error::new(
        Code::ToolsListBudget,
        format!(
            "Reached the tools/list limit of {limit} {unit}; some tools may be omitted. Set {variable} higher if this \
             server legitimately exposes more."
        ),
    )
}

fn failed(cause: Error) -> Error {
    if matches!(cause.code, Code::Aborted | Code::Closed) {
        return cause;
    }
    Error::new(
        Code::ToolsListFailed,
        format!("Failed to list tools: {cause}"),
    )
    .with_retryable(cause.retryable)
    .caused_by(cause)
}
