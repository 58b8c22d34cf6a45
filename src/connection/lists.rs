//! Lists of a server as one: all pages, within the budgets of `tools/list` (MCP, chapter "Pagination").

use std::collections::HashMap;

use rmcp::model::ServerCapabilities;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::established::Connection;
use super::options::CallOptions;
use super::pages::{CURSOR, Collect, End, Paging};
use super::updates::SET_LEVEL;
use crate::error::{Code, Error, Result};
use crate::settings::ToolsListBudget;
use crate::transport::message::Params;

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
        list: &'static List,
        members: Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let described = self.described()?;
        let mut whole = Whole::of(list, &self.recipe.settings.tools_list);
        if !(list.is_offered)(&described.capabilities) {
            return whole.finish(None);
        }
        let paging = Paging {
            method: list.method,
            members,
            options,
            page_timeout: None,
        };
        let next = match self
            .read_pages(paging, described.generation(), &mut whole)
            .await?
        {
            End::Over => None,
            End::Broken(error) => return Err(error),
            End::Repeated => {
                self.warn(&format!("The server repeated a cursor of {}", list.method));
                None
            }
            End::Budget(limit, next) => {
                self.warn(&format!(
                    "Reached MCP_TOOLS_LIST_{limit} with {}; there is more",
                    list.method
                ));
                next
            }
        };
        whole.finish(next.as_deref())
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

/// What the pages have together.
struct Whole<'a> {
    list: &'static List,
    budget: &'a ToolsListBudget,
    text: String,
    items: usize,
    /// The only page, as it was sent.
    only: Option<Box<RawValue>>,
    has_begun: bool,
}

impl Collect for Whole<'_> {
    fn is_empty(&self) -> bool {
        self.items == 0
    }

    fn take(&mut self, answer: Box<RawValue>) -> Result<Option<Value>> {
        let page = Page::read(self.list, &answer)?;
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && !page.names_next {
            self.only = Some(answer);
            return Ok(None);
        }
        for item in &page.items {
            if self.items > 0 {
                self.text.push(',');
            }
            self.text.push_str(item.get());
            self.items += 1;
        }
        Ok(Some(page.next))
    }

    fn used_up(&self) -> Option<&'static str> {
        if self.items >= self.budget.max_tools {
            Some("MAX_TOOLS")
        } else {
            (self.text.len() >= self.budget.max_bytes).then_some("MAX_BYTES")
        }
    }
}

impl<'a> Whole<'a> {
    fn of(list: &'static List, budget: &'a ToolsListBudget) -> Self {
        Self {
            list,
            budget,
            text: String::new(),
            items: 0,
            only: None,
            has_begun: false,
        }
    }

    fn finish(self, next: Option<&str>) -> Result<Box<RawValue>> {
        if let Some(only) = self.only {
            return Ok(only);
        }
        let (member, items) = (self.list.member, self.text);
        let next = next.map(|next| format!(",\"{NEXT_CURSOR}\":{}", Value::from(next)));
        let text = format!("{{\"{member}\":[{items}]{}}}", next.unwrap_or_default());
        RawValue::from_string(text).map_err(|_| Error::internal())
    }
}
