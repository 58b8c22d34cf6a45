//! Listing tools: all pages, within budgets, as the server wrote them (MCP, chapter "Tools").

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{CallOptions, Connection, RawTools, Recipe};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::nesting::{self, MAX_NESTING};
use crate::settings::ToolsListBudget;

/// The tools of a server.
#[derive(Debug, Clone)]
pub struct ToolList {
    /// Each tool as it was sent, in order.
    pub tools: Arc<RawTools>,
    /// Why the list is not the whole one: a broken budget ([`Code::ToolsListBudget`]) or a repeated cursor.
    pub incomplete: Option<Error>,
    /// Which tools cannot be used, and are not among them.
    pub left_out: Option<Error>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
}

/// Reads all pages of `tools/list`. A server without the tools capability is not asked. Tools that are nested deeper than
/// anybody could use are left out, with a warning.
///
/// # Errors
/// [`Code::ToolsListFailed`] with the cause when a page cannot be had, [`Code::ToolsListBudget`] when not even the
/// first tool fits the budget.
pub async fn list_tools(connection: &Connection, options: &CallOptions) -> Result<ToolList> {
    let list = read_pages(connection, options).await?;
    if let Some(left_out) = &list.left_out {
        let Recipe { logger, .. } = &connection.recipe;
        logger.warn(format!("{} {left_out}", connection.recipe.log_prefix()));
    }
    Ok(list)
}

async fn read_pages(connection: &Connection, options: &CallOptions) -> Result<ToolList> {
    if connection.capabilities().tools.is_none() {
        return Collected::default().finish(None);
    }
    let budget = &connection.recipe.settings.tools_list;
    let request_timeout = connection
        .recipe
        .config
        .timeout
        .unwrap_or(DEFAULT_REQUEST_TIMEOUT);
    let own_deadline = Instant::now() + budget.timeout;
    let mut collected = Collected::default();
    let mut cursors = HashSet::new();
    let mut cursor: Option<String> = None;
    for page_number in 1.. {
        let page_options = CallOptions {
            deadline: options
                .deadline
                .min(own_deadline)
                .min(Instant::now() + request_timeout),
            ..options.clone()
        };
        let params = cursor.as_ref().map(|cursor| json!({ "cursor": cursor }));
        let answer = match connection
            .request("tools/list", params.as_ref(), &page_options)
            .await
        {
            Ok(answer) => answer,
            Err(error)
                if error.code == Code::Timeout
                    && Instant::now() >= own_deadline
                    && collected.tools.count() > 0 =>
            {
                return collected.finish(Some(over(
                    "MCP_TOOLS_LIST_TIMEOUT_MS",
                    budget.timeout.as_millis(),
                    "ms",
                )));
            }
            Err(error) => return Err(failed(error)),
        };
        let page: Page<'_> = serde_json::from_str(answer.get()).map_err(|_| {
            failed(Error::new(
                Code::InvalidResponse,
                "The server answered tools/list without a list of tools",
            ))
        })?;
        for tool in page.tools {
            // A schema may have all the levels, the tool is one more.
            if nesting::is_deeper(tool.get(), MAX_NESTING + 1) {
                collected.left_out.push(name_of(tool));
                continue;
            }
            if let Some(limit) = collected.refuses(tool, budget) {
                return collected.finish(Some(limit));
            }
            collected.push(tool);
        }
        let Some(next) = page.next_cursor else {
            return collected.finish(None);
        };
        if !cursors.insert(next.clone()) {
            let message = "The server repeated a tools/list cursor; the list ends there";
            return collected.finish(Some(Error::new(Code::ToolsListFailed, message)));
        }
        if page_number == budget.max_pages {
            return collected.finish(Some(over(
                "MCP_TOOLS_LIST_MAX_PAGES",
                budget.max_pages,
                "page(s)",
            )));
        }
        cursor = Some(next);
    }
    collected.finish(None)
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

#[derive(Default)]
struct Collected {
    tools: RawTools,
    /// What the server sent.
    bytes: usize,
    /// Names of tools that are nested too deeply.
    left_out: Vec<String>,
}

impl Collected {
    fn refuses(&self, tool: &RawValue, budget: &ToolsListBudget) -> Option<Error> {
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
        self.tools.push(tool);
        self.bytes += size(tool);
    }

    fn finish(self, incomplete: Option<Error>) -> Result<ToolList> {
        match incomplete {
            Some(error) if self.tools.count() == 0 => Err(error),
            incomplete => Ok(ToolList {
                tools: Arc::new(self.tools),
                incomplete,
                left_out: too_deep(&self.left_out),
            }),
        }
    }
}

fn name_of(tool: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str(tool.get()).map_or_else(|_| "(nameless)".to_owned(), |Named { name }| name)
}

fn too_deep(names: &[String]) -> Option<Error> {
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    let names = foreign_text(&names, &SentSecrets::default());
    Some(Error::new(
        Code::InvalidResponse,
        format!(
            "Left out tools whose schemas are nested deeper than {MAX_NESTING} levels: {names}"
        ),
    ))
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
