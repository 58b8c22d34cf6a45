//! A page of `tools/list` of which it is certain which tools are on it.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::tools::members;

pub struct Page<'a> {
    text: &'a str,
    /// Where the list is in it.
    list: Range<usize>,
    /// As the server wrote each.
    pub tools: Vec<&'a RawValue>,
    pub is_last: bool,
}

impl<'a> Page<'a> {
    /// # Errors
    /// [`Code::InvalidResponse`] for a page that readers may read in different ways, or that has no list of tools.
    pub fn read(page: &'a RawValue) -> Result<Self> {
        let members = members(page).unwrap_or_default();
        let mut lists = members.iter().filter(|(name, _)| name == "tools");
        let (Some((_, list)), None) = (lists.next(), lists.next()) else {
            return Err(unreadable("without one list of tools"));
        };
        let Ok(tools) = serde_json::from_str(list.get()) else {
            return Err(unreadable("with tools that are no list"));
        };
        let has_next = |(name, value): &(_, &RawValue)| {
            name == "nextCursor" && !matches!(value.get(), "null" | "\"\"")
        };
        let (text, list) = (page.get(), list.get());
        let start = list.as_ptr().addr() - text.as_ptr().addr();
        Ok(Self {
            text,
            list: start..start + list.len(),
            tools,
            is_last: !members.iter().any(has_next),
        })
    }

    /// The page as it was, but for the tools that are not kept; `None` where all are.
    pub fn without_others(&self, is_kept: &[bool]) -> Result<Option<Box<RawValue>>> {
        if is_kept.iter().all(|is_kept| *is_kept) {
            return Ok(None);
        }
        let mut text = String::with_capacity(self.text.len());
        text.push_str(&self.text[..self.list.start]);
        let mut mark = '[';
        for (tool, _) in self.tools.iter().zip(is_kept).filter(|(_, kept)| **kept) {
            text.push(mark);
            text.push_str(tool.get());
            mark = ',';
        }
        text.push_str(if mark == '[' { "[]" } else { "]" });
        text.push_str(&self.text[self.list.end..]);
        let page = RawValue::from_string(text).map_err(|_| Error::internal())?;
        Ok(Some(page))
    }
}

fn unreadable(how: &str) -> Error {
    let message = format!("The server answered tools/list {how}");
    Error::new(Code::InvalidResponse, message)
}
