//! A list, page after page (MCP, chapter "Pagination").

use std::collections::HashSet;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::established::Connection;
use super::generation::Generation;
use super::options::CallOptions;
use crate::error::{Code, Error, Result};
use crate::transport::message::Params;

pub(super) const CURSOR: &str = "cursor";

/// What becomes of the pages.
pub(super) trait Collect: Send {
    fn is_empty(&self) -> bool;
    /// Takes a page, and gives its `nextCursor`; `None` where not all of it fits.
    fn take(&mut self, page: Box<RawValue>) -> Result<Option<Value>>;
    /// The budget that is used up, where there is another page.
    fn used_up(&self) -> Option<&'static str> {
        None
    }
}

/// How reading has ended.
pub(super) enum End {
    /// Nothing is missing, or whoever collects knows what is.
    Over,
    /// The server has given a cursor that it has given before.
    Repeated,
    /// By this budget of [`ToolsListBudget`](crate::settings::ToolsListBudget); the list would go on here.
    Budget(&'static str, Option<String>),
    /// What the server says of the next page is no cursor.
    Broken(Error),
}

/// A request of a list.
pub(super) struct Paging<'a> {
    pub method: &'static str,
    pub members: Map<String, Value>,
    pub options: &'a CallOptions,
    /// How long each page may take, all of them within the budget; else `options` alone say so.
    pub page_timeout: Option<Duration>,
}

impl Connection {
    /// Reads all pages, until a budget ends that. Fails where a page cannot be had.
    pub(super) async fn read_pages(
        &self,
        paging: Paging<'_>,
        generation: Generation,
        list: &mut dyn Collect,
    ) -> Result<End> {
        let Paging {
            method,
            mut members,
            options,
            page_timeout,
        } = paging;
        let budget = &self.recipe.settings.tools_list;
        let until = Instant::now() + budget.timeout;
        let mut cursors = HashSet::new();
        let mut here = None;
        for pages in 1.. {
            let mut options = options.clone();
            if let Some(timeout) = page_timeout {
                let due = until.min(Instant::now() + timeout);
                options.deadline = options.deadline.min(due);
            }
            let params = if members.is_empty() {
                Params::None
            } else {
                Params::Members(&members)
            };
            let page = match self.request(method, params, &options).await {
                Err(error)
                    if error.code == Code::Timeout
                        && Instant::now() >= until
                        && !list.is_empty() =>
                {
                    return Ok(End::Budget("TIMEOUT_MS", here));
                }
                page => page?,
            };
            let Some(next) = list.take(page)? else {
                return Ok(End::Over);
            };
            let next = match next_cursor(method, next, generation) {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(End::Over),
                Err(error) => return Ok(End::Broken(error)),
            };
            if !cursors.insert(next.clone()) {
                return Ok(End::Repeated);
            }
            let used_up = match list.used_up() {
                _ if pages >= budget.max_pages => Some("MAX_PAGES"),
                None if Instant::now() >= until => Some("TIMEOUT_MS"),
                used_up => used_up,
            };
            if let Some(used_up) = used_up {
                return Ok(End::Budget(used_up, Some(next)));
            }
            here = Some(next.clone());
            members.insert(CURSOR.to_owned(), Value::from(next));
        }
        Ok(End::Over)
    }
}

/// Where the next page begins. Older servers say with an empty text that there is none.
fn next_cursor(method: &str, cursor: Value, generation: Generation) -> Result<Option<String>> {
    match cursor {
        Value::Null => Ok(None),
        Value::String(cursor) => {
            let is_end = cursor.is_empty() && generation == Generation::Initialize;
            Ok((!is_end).then_some(cursor))
        }
        _ => {
            let message = format!("The server sent a {method} cursor that is no text");
            Err(Error::new(Code::InvalidResponse, message))
        }
    }
}
