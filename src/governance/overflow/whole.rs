//! A result that is read in parts: its text, and what is in it besides.

use super::cut::Answer;
use super::item::Item;
use super::parts::Parts;
use crate::error::{Code, Error, Result};
use crate::literal::{fitting, push_literal, quoted};

/// The scheme of the URIs that such results go by.
pub const SCHEME: &str = "mcp-result://";

/// Whether a reader of URIs would take one for one of these. No server sees it then.
#[must_use]
pub fn is_of_scheme(uri: &str) -> bool {
    let name = uri.trim_start().split(':').next();
    name.is_some_and(|name| SCHEME[..SCHEME.len() - 3].eq_ignore_ascii_case(name))
}

/// The member of `_meta` that says which part it is.
const PART: &str = "librechat-mcp-native/part";

/// JSON-RPC: invalid parameters.
const INVALID_PARAMS: i64 = -32602;

/// What an attachment takes besides its bytes.
const OVERHEAD: usize = 256;

/// All that a result says.
pub struct Whole {
    /// As a model would read it, attachments by their URIs.
    text: String,
    attachments: Vec<Attachment>,
    /// The most bytes that the JSON of a part has.
    bound: usize,
}

/// What is no text of the result.
struct Attachment {
    /// Behind the result's own URI.
    name: String,
    mime_type: String,
    body: String,
    is_base64: bool,
}

impl Whole {
    pub fn of(answer: &Answer<'_>, uri: &str, bound: usize) -> Self {
        let mut whole = Self {
            text: String::new(),
            attachments: Vec::new(),
            bound,
        };
        for (index, part) in Parts::of(answer.content).enumerate() {
            whole.separate();
            let item = Item::read(part.value);
            match (item.text, item.data) {
                (Some(text), _) => push_literal(&mut whole.text, text),
                (None, Some(data)) if is_base64(&data[1..data.len() - 1]) => {
                    let data = data[1..data.len() - 1].to_owned();
                    whole.attach(uri, index.to_string(), item.mime_type, data, true);
                }
                (None, Some(_)) => whole.text.push_str(&item.left_out(part.value.len())),
                _ => whole.text.push_str(part.value),
            }
        }
        match answer.structured {
            Some(structured) if answer.is_only_structured() => whole.text.push_str(structured),
            Some(structured) => {
                whole.separate();
                let (name, body) = ("structuredContent".to_owned(), structured.to_owned());
                whole.attach(uri, name, "application/json", body, false);
            }
            None => {}
        }
        whole.text.shrink_to_fit();
        whole
    }

    /// How many bytes the text has.
    pub fn text_size(&self) -> usize {
        self.text.len()
    }

    /// How many bytes all of it takes.
    pub fn size(&self) -> usize {
        let attachments = self.attachments.iter();
        let sizes = attachments.map(|it| it.body.len() + it.mime_type.len() + OVERHEAD);
        self.text.len() + sizes.sum::<usize>()
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }

    fn attach(&mut self, uri: &str, name: String, mime_type: &str, body: String, is_base64: bool) {
        let shown = if mime_type.is_empty() {
            "data"
        } else {
            mime_type
        };
        self.text.extend(["[", shown, ": ", uri, "/", &name, "]"]);
        self.attachments.push(Attachment {
            name,
            mime_type: mime_type.to_owned(),
            body,
            is_base64,
        });
    }

    /// The result of `resources/read` for a part; `name` is that of an attachment, else of none. `None` for one that is not
    /// there.
    pub fn read(&self, uri: &str, name: Option<&str>, query: &str) -> Option<Result<String>> {
        let body = match name {
            None => Body::Text(&self.text),
            Some(name) => {
                let mut attachments = self.attachments.iter();
                let found = attachments.find(|it| it.name == name)?;
                if found.is_base64 {
                    Body::Base64(&found.body, &found.mime_type)
                } else {
                    Body::Json(&found.body)
                }
            }
        };
        Some(Range::read(query).and_then(|range| body.part(uri, &range, self.bound)))
    }
}

enum Body<'a> {
    Text(&'a str),
    Json(&'a str),
    Base64(&'a str, &'a str),
}

impl Body<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Base64(data, _) => {
                let padding = data.len() - data.trim_end_matches('=').len();
                data.len() / 4 * 3 - padding
            }
        }
    }

    /// The part that begins at the range's offset, no longer than its length and in JSON than `bound`, but no less than a
    /// character of a text or three bytes of anything else.
    fn part(&self, uri: &str, range: &Range, bound: usize) -> Result<String> {
        let size = self.size();
        let offset = range.offset;
        if offset > size {
            return Err(invalid(&format!(
                "offset is beyond the {size} bytes that there are"
            )));
        }
        let (member, mime_type) = match self {
            Self::Text(_) => ("text", "text/plain"),
            Self::Json(_) => ("text", "application/json"),
            Self::Base64(_, mime_type) => ("blob", *mime_type),
        };
        let mime_type = match mime_type {
            "" => String::new(),
            known => format!("\"mimeType\":\"{known}\","),
        };
        let around = |part: &str, length: usize| {
            let end = offset + length;
            let next = if end < size {
                end.to_string()
            } else {
                "null".to_owned()
            };
            format!(
                "{{\"contents\":[{{\"uri\":{},{mime_type}\"{member}\":{part},\"_meta\":{{\"{PART}\":\
                 {{\"offset\":{offset},\"length\":{length},\"size\":{size},\"next\":{next}}}}}}}]}}",
                quoted(uri)
            )
        };
        // The longest numbers that there may be.
        let room = bound.saturating_sub(around("\"\"", size).len() + size.to_string().len());
        match self {
            Self::Text(text) | Self::Json(text) => {
                let rest = text.get(offset..);
                let rest = rest.ok_or_else(|| invalid("offset is within a character"))?;
                let wanted = &rest[..rest.floor_char_boundary(range.length)];
                let part = match fitting(wanted, room) {
                    "" => &rest[..rest.ceil_char_boundary(1)],
                    part => part,
                };
                Ok(around(&quoted(part), part.len()))
            }
            Self::Base64(data, _) => {
                if !offset.is_multiple_of(3) && offset < size {
                    return Err(invalid(
                        "offset is no multiple of 3, and the data is base64",
                    ));
                }
                let groups = (range.length / 3).min(room / 4).max(1);
                let start = data.len().min(offset.div_ceil(3) * 4);
                let end = data
                    .len()
                    .min(start.saturating_add(groups.saturating_mul(4)));
                let length = size.min(end / 4 * 3) - offset;
                Ok(around(&format!("\"{}\"", &data[start..end]), length))
            }
        }
    }
}

/// Which part is read, in bytes.
struct Range {
    offset: usize,
    length: usize,
}

impl Range {
    fn read(query: &str) -> Result<Self> {
        let mut range = Self {
            offset: 0,
            length: usize::MAX,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_number = value.len() <= 15 && value.bytes().all(|byte| byte.is_ascii_digit());
            let number = value.parse().ok().filter(|_| is_number);
            match (name, number) {
                ("offset", Some(number)) => range.offset = number,
                ("length", Some(number)) if number > 0 => range.length = number,
                ("offset", _) => return Err(invalid("offset is no number of bytes")),
                ("length", _) => return Err(invalid("length is no number of bytes, at least 1")),
                _ => {
                    return Err(invalid(
                        "a part has an offset and a length, and nothing else",
                    ));
                }
            }
        }
        Ok(range)
    }
}

fn invalid(what: &str) -> Error {
    Error::mcp(Code::ServerError, INVALID_PARAMS, what)
}

/// Whether the inside of a JSON string is base64 (RFC 4648, section 4) that is all there.
fn is_base64(inside: &str) -> bool {
    let digits = inside.trim_end_matches('=');
    inside.len().is_multiple_of(4)
        && inside.len() - digits.len() <= 2
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
