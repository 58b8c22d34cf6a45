//! As much of a result as fits.

use super::item::Item;
use super::parts::Parts;
use crate::literal::{beginning, fitting, quoted};

/// A result as far as it is read here; all of it is the server's text.
pub struct Answer<'a> {
    pub whole: &'a str,
    /// Empty where it is no array.
    pub content: &'a str,
    pub structured: Option<&'a str>,
    is_error: bool,
}

impl<'a> Answer<'a> {
    /// Of several members with one name the last counts, as in JavaScript.
    pub fn read(whole: &'a str) -> Self {
        let mut read = Self {
            whole,
            content: "",
            structured: None,
            is_error: false,
        };
        for part in Parts::of(whole) {
            if part.is_named("content") {
                let is_array = part.value.starts_with('[');
                read.content = if is_array { part.value } else { "" };
            } else if part.is_named("structuredContent") {
                read.structured = Some(part.value).filter(|value| *value != "null");
            } else if part.is_named("isError") {
                read.is_error = part.value == "true";
            }
        }
        read
    }

    /// Whether there is nothing but structured content.
    pub fn is_only_structured(&self) -> bool {
        self.structured.is_some() && Parts::of(self.content).next().is_none()
    }

    /// Other members than those that are read, such as `_meta`, that have no more than `room` bytes together.
    fn others(&self, room: usize) -> String {
        let mut others = String::new();
        for part in Parts::of(self.whole) {
            let is_read = ["content", "structuredContent", "isError"]
                .iter()
                .any(|name| part.is_named(name));
            let length = part.name().len() + part.value.len() + 2;
            if !is_read && others.len() + length <= room {
                others.extend([",", part.name(), ":", part.value]);
            }
        }
        others
    }

    /// The result in at most `bound` bytes of JSON, with a marker that says that and `rest`, and with `last` as its last
    /// item. Of the server's items it has as many as `room` bytes hold. `None` where the bound is too small for that.
    pub fn cut(&self, bound: usize, room: usize, rest: &str, last: Option<&str>) -> Option<String> {
        let last = last.unwrap_or_default();
        let error = if self.is_error {
            ",\"isError\":true"
        } else {
            ""
        };
        let longest = marker(self.whole.len(), self.whole.len(), true, rest);
        let end = [last, error, "[],{}", "\\n", &text_item(&longest)];
        let taken = end.iter().map(|part| part.len()).sum::<usize>() + BEGINNING.len();
        let others = self.others(bound.checked_sub(taken)? / 4);
        let room = room.min(bound - taken - others.len());
        let mut shown = Shown {
            json: String::from(BEGINNING),
            room,
            bytes: 0,
            marker_at: None,
        };
        if self.is_only_structured() {
            shown.structured(self.structured.unwrap_or_default());
        } else {
            shown.items(self.content);
        }
        let mut json = shown.json;
        let fits = |it: &&str| it.len() + STRUCTURED.len() <= shown.room;
        let structured = self.structured.filter(fits);
        shown.bytes += structured.map_or(0, str::len);
        let marker = marker(
            shown.bytes,
            self.whole.len(),
            self.structured.is_some() && structured.is_none(),
            rest,
        );
        match shown.marker_at {
            Some(at) => json.insert_str(at, &format!("\\n{marker}")),
            None => push_item(&mut json, &text_item(&marker)),
        }
        if !last.is_empty() {
            push_item(&mut json, last);
        }
        json.push(']');
        if let Some(structured) = structured {
            json.extend([STRUCTURED, structured]);
        }
        json.extend([error, &others, "}"]);
        Some(json)
    }
}

const BEGINNING: &str = "{\"content\":[";
const STRUCTURED: &str = ",\"structuredContent\":";

/// The server's items, as many as fit.
struct Shown {
    json: String,
    /// What is left.
    room: usize,
    /// Of the server's.
    bytes: usize,
    /// In a text that was cut.
    marker_at: Option<usize>,
}

impl Shown {
    fn items(&mut self, content: &str) {
        for part in Parts::of(content) {
            let item = part.value;
            if self.push(item) {
                self.bytes += item.len();
                continue;
            }
            let read = Item::read(item);
            if read.text.is_some_and(|text| self.text(item, text)) {
                return;
            }
            if !self.push(&text_item(&read.left_out(item.len()))) {
                return;
            }
        }
    }

    fn push(&mut self, item: &str) -> bool {
        let Some(room) = self.room.checked_sub(item.len() + 1) else {
            return false;
        };
        self.room = room;
        push_item(&mut self.json, item);
        true
    }

    /// The item with the beginning of its text, which is a JSON string in it. `false` where nothing of the text would fit.
    fn text(&mut self, item: &str, text: &str) -> bool {
        let start = text.as_ptr().addr() - item.as_ptr().addr();
        let around = item.len() - text.len() + "\"\",".len();
        let inside = &text[1..text.len() - 1];
        let shown = beginning(inside, self.room.saturating_sub(around));
        if shown.is_empty() {
            return false;
        }
        self.bytes += shown.len();
        self.room -= around + shown.len();
        push_item(&mut self.json, &item[..start]);
        self.json.extend(["\"", shown]);
        self.marker_at = Some(self.json.len());
        self.json.extend(["\"", &item[start + text.len()..]]);
        true
    }

    /// Structured content where there is nothing else, as a text.
    fn structured(&mut self, json: &str) {
        let shown = fitting(json, self.room.saturating_sub(text_item("").len() + 1));
        self.bytes += shown.len();
        self.push(&text_item(shown));
        self.marker_at = Some(self.json.len() - "\"}".len());
    }
}

fn push_item(json: &mut String, item: &str) {
    if !json.ends_with('[') {
        json.push(',');
    }
    json.push_str(item);
}

fn text_item(text: &str) -> String {
    format!("{{\"type\":\"text\",\"text\":{}}}", quoted(text))
}

/// What a reader is told; there is nothing to escape in it.
fn marker(shown: usize, whole: usize, drops_structured: bool, rest: &str) -> String {
    let without = if drops_structured {
        ", without structuredContent"
    } else {
        ""
    };
    format!(
        "[… cut: {shown} of {whole} bytes of this result are shown{without} (maxResultBytes){rest}]"
    )
}
