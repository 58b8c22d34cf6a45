//! Writing an object of JSON member by member.

use std::fmt::Display;
use std::fmt::Write;

/// An object under way.
pub struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already: a number, say.
    pub fn raw(&mut self, name: &str, json: &dyn Display) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{}:{json}", quoted(name));
        self
    }

    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.raw(name, &quoted(text))
    }

    /// A text, or `null`.
    pub fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self.raw(name, &"null"),
        }
    }

    #[must_use]
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    // Texts can always be written.
    serde_json::to_string(text).unwrap_or_default()
}
