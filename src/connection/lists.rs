//! Lists of a server as one: all pages, within the budgets of `tools/list` (MCP, chapter "Pagination").

use std::collections::{HashMap, HashSet};

use rmcp::model::ServerCapabilities;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::established::Connection;
use super::generation::Generation;
use super::options::CallOptions;
use super::updates::SET_LEVEL;
use crate::error::{Code, Error, Result};
use crate::transport::message::Params;

const CURSOR: &str = "cursor";
const NEXT_CURSOR: &str = "nextCursor";

/// A list that comes in pages: the request, and the member of the result that has the items.
struct List {
    method: &'static str,
    member: &'static str,
    is_offered: fn(&ServerCapabilities) -> bool,
}

const LISTS: [List; 4] = [
    List {
        method: "tools/list",
        member: "tools",
        is_offered: |it| it.tools.is_some(),
    },
    List {
        method: "resources/list",
        member: "resources",
        is_offered: |it| it.resources.is_some(),
    },
    List {
        method: "resources/templates/list",
        member: "resourceTemplates",
        is_offered: |it| it.resources.is_some(),
    },
    List {
        method: "prompts/list",
        member: "prompts",
        is_offered: |it| it.prompts.is_some(),
    },
];

impl Connection {
    /// [`Self::request`]; a list that is asked for without a cursor comes with all its pages. Where a budget ends it, or
    /// the server repeats itself, that is logged, and `nextCursor` of the result says where a budget has ended it. A server
    /// that does not announce such lists is not asked.
    pub async fn request_whole(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let Some(list) = LISTS.iter().find(|list| list.method == method) else {
            let answer = self.request(method, params, options).await?;
            if method == SET_LEVEL {
                self.keep_level(params)?;
            }
            return Ok(answer);
        };
        let members = params.members()?;
        if members.contains_key(CURSOR) {
            return self.request(method, params, options).await;
        }
        Box::pin(self.pages(list, members.into_owned(), options)).await
    }

    async fn pages(
        &self,
        list: &List,
        mut members: Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let described = self.described()?;
        let mut whole = Whole::default();
        if !(list.is_offered)(&described.capabilities) {
            return whole.finish(list, None);
        }
        let budget = &self.recipe.settings.tools_list;
        let until = Instant::now() + budget.timeout;
        let mut cursors = HashSet::new();
        for pages in 1.. {
            let params = Params::Members(&members);
            let answer = self.request(list.method, params, options).await?;
            let page = Page::read(list, &answer)?;
            if pages == 1 && !page.names_next {
                return Ok(answer);
            }
            let Some(next) = next_cursor(list.method, page.next, described.generation())? else {
                whole.push(&page.items);
                break;
            };
            whole.push(&page.items);
            let limit = if !cursors.insert(next.clone()) {
                self.warn(&format!("The server repeated a cursor of {}", list.method));
                break;
            } else if pages >= budget.max_pages {
                "MAX_PAGES"
            } else if whole.items >= budget.max_tools {
                "MAX_TOOLS"
            } else if whole.text.len() >= budget.max_bytes {
                "MAX_BYTES"
            } else if Instant::now() >= until {
                "TIMEOUT_MS"
            } else {
                members.insert(CURSOR.to_owned(), Value::from(next));
                continue;
            };
            self.warn(&format!(
                "Reached MCP_TOOLS_LIST_{limit} with {}; there is more",
                list.method
            ));
            return whole.finish(list, Some(&next));
        }
        whole.finish(list, None)
    }

    fn warn(&self, what: &str) {
        let prefix = self.recipe.log_prefix();
        self.recipe.logger.warn(format!("{prefix} {what}"));
    }
}

struct Page<'a> {
    items: Vec<&'a RawValue>,
    next: Value,
    /// Whether it says anything of a next page.
    names_next: bool,
}

impl<'a> Page<'a> {
    fn read(list: &List, answer: &'a RawValue) -> Result<Self> {
        let read = || {
            let members: HashMap<String, &'a RawValue> = serde_json::from_str(answer.get())?;
            let items = members.get(list.member).map_or("null", |items| items.get());
            let next = members.get(NEXT_CURSOR).map(|next| next.get());
            Ok(Self {
                items: serde_json::from_str(items)?,
                next: serde_json::from_str(next.unwrap_or("null"))?,
                names_next: next.is_some(),
            })
        };
        read().map_err(|_: serde_json::Error| {
            let (method, member) = (list.method, list.member);
            let message = format!("The server answered {method} without a list of {member}");
            Error::new(Code::InvalidResponse, message)
        })
    }
}

/// Where the next page begins. Older servers say with an empty text that there is none.
pub(super) fn next_cursor(
    method: &str,
    cursor: Value,
    generation: Generation,
) -> Result<Option<String>> {
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

/// What the pages have together.
#[derive(Default)]
struct Whole {
    text: String,
    items: usize,
}

impl Whole {
    fn push(&mut self, items: &[&RawValue]) {
        for item in items {
            if self.items > 0 {
                self.text.push(',');
            }
            self.text.push_str(item.get());
            self.items += 1;
        }
    }

    fn finish(self, list: &List, next: Option<&str>) -> Result<Box<RawValue>> {
        let (member, items) = (list.member, self.text);
        let next = next.map(|next| format!(",\"{NEXT_CURSOR}\":{}", Value::from(next)));
        let text = format!("{{\"{member}\":[{items}]{}}}", next.unwrap_or_default());
        RawValue::from_string(text).map_err(|_| Error::internal())
    }
}
