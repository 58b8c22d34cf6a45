//! Tool results as LibreChat's agents take them (`packages/api/src/mcp/parsers.ts`, `formatToolContent`).

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::literal::push_literal;
use crate::nesting::{self, MAX_NESTING};

mod pretty;
mod resource;

use pretty::indented;
use resource::{Body, body, one_line, text_of};

/// Providers whose results are split into text and artifacts; for others everything is one text.
const RECOGNIZED_PROVIDERS: &[&str] = &[
    "google",
    "anthropic",
    "openai",
    "azureopenai",
    "openrouter",
    "xai",
    "deepseek",
    "ollama",
    "bedrock",
];

const NO_RESPONSE: &str = "(No response)";

/// The key of UI resources among the artifacts (LibreChat's `Tools.ui_resources`).
const UI_RESOURCES: &str = "ui_resources";

const UI_INSTRUCTIONS: &str = "

UI Resource Markers Available:
- Each resource above includes a stable ID and a marker hint like `\\ui{abc123}`
- You should usually introduce what you're showing before placing the marker
- For a single resource: \\ui{resource-id}
- For multiple resources shown separately: \\ui{resource-id-a} \\ui{resource-id-b}
- For multiple resources in a carousel: \\ui{resource-id-a,resource-id-b,resource-id-c}
- The UI will be rendered inline where you place the marker
- Format: \\ui{resource-id} or \\ui{id1,id2,id3} using the IDs provided above";

/// `[content, artifacts?]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolContent {
    pub text: String,
    pub artifacts: Option<Value>,
}

/// The `content` of a tool result, its large texts still as the server sent them: a parser would hold each twice while
/// it reads it, which is what limits the size of a result.
pub enum Item<'a> {
    Text(&'a RawValue),
    Other(Value),
}

impl<'a> Item<'a> {
    /// Reads the items of a result, which is a JSON object.
    pub fn all(content: Option<&'a RawValue>) -> serde_json::Result<Vec<Self>> {
        let Some(items) = content.filter(|content| content.get().starts_with('[')) else {
            return Ok(Vec::new());
        };
        let items: Vec<&RawValue> = serde_json::from_str(items.get())?;
        items.into_iter().map(Self::read).collect()
    }

    fn read(item: &'a RawValue) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Text<'a> {
            r#type: Cow<'a, str>,
            #[serde(borrow)]
            text: &'a RawValue,
        }
        match serde_json::from_str(item.get()) {
            Ok(Text { r#type, text }) if r#type == "text" && text.get().starts_with('"') => {
                Ok(Self::Text(text))
            }
            _ => nesting::parse(item.get(), MAX_NESTING).map(Self::Other),
        }
    }
}

/// Formats the items of a tool result, or, where it has none, its `structured` content. Fails when an image is larger
/// than `max_image_bytes`.
pub fn format_content(
    content: &[Item<'_>],
    structured: Option<&Value>,
    provider: &str,
    max_image_bytes: usize,
) -> Result<ToolContent> {
    if content.is_empty() {
        return Ok(ToolContent {
            text: structured.map_or_else(|| NO_RESPONSE.to_owned(), indented),
            artifacts: None,
        });
    }
    if !RECOGNIZED_PROVIDERS.contains(&provider) {
        return as_text(content, max_image_bytes);
    }
    let mut formatted = Formatted::default();
    for item in content {
        let item = match item {
            Item::Text(text) => {
                formatted.separate();
                push_literal(&mut formatted.text, text.get());
                continue;
            }
            Item::Other(item) => item,
        };
        match text_of(item, "type") {
            "text" => formatted.block(""),
            "image" => formatted.image(
                text_of(item, "data"),
                text_of(item, "mimeType"),
                max_image_bytes,
            )?,
            "resource" => formatted.resource(&item["resource"], max_image_bytes)?,
            "resource_link" => formatted.lines(&resource::link(item)),
            _ => formatted.block(&indented(item)),
        }
    }
    Ok(formatted.finish())
}

#[derive(Default)]
struct Formatted {
    text: String,
    images: Vec<Value>,
    ui_resources: Vec<Value>,
}

impl Formatted {
    fn block(&mut self, text: &str) {
        self.separate();
        self.text.push_str(text);
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }

    fn lines(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            self.block(&lines.join("\n"));
        }
    }

    fn image(&mut self, data: &str, mime_type: &str, max_bytes: usize) -> Result<()> {
        check_image(data, max_bytes)?;
        let url = if is_remote(data) {
            data.to_owned()
        } else {
            data_url(mime_type, data)
        };
        self.images
            .push(json!({ "type": "image_url", "image_url": { "url": url } }));
        Ok(())
    }

    fn resource(&mut self, resource: &Value, max_image_bytes: usize) -> Result<()> {
        let (uri, text) = (text_of(resource, "uri"), text_of(resource, "text"));
        let mut lines = Vec::new();
        if uri.starts_with("ui://") {
            let id = resource_id(if text.is_empty() { uri } else { text });
            let mut with_id = resource.as_object().cloned().unwrap_or_default();
            with_id.insert("resourceId".to_owned(), Value::from(id.as_str()));
            self.ui_resources.push(Value::Object(with_id));
            lines.push(format!("UI Resource ID: {id}"));
            lines.push(format!("UI Resource Marker: \\ui{{{id}}}"));
        } else {
            match body(resource) {
                Body::Text(text) => lines.push(format!("Resource Text: {text}")),
                Body::Image { data, mime_type } => self.image(data, mime_type, max_image_bytes)?,
                Body::Binary { bytes } => lines.push(resource::omitted(bytes)),
                Body::None => {}
            }
        }
        if !uri.is_empty() {
            lines.push(format!("Resource URI: {}", one_line(uri)));
        }
        let mime_type = text_of(resource, "mimeType");
        if !mime_type.is_empty() {
            lines.push(format!("Resource MIME Type: {}", one_line(mime_type)));
        }
        self.lines(&lines);
        Ok(())
    }

    fn finish(mut self) -> ToolContent {
        let mut artifacts = Map::new();
        if !self.images.is_empty() {
            artifacts.insert("content".to_owned(), Value::Array(self.images));
        }
        if !self.ui_resources.is_empty() {
            self.text.push_str(UI_INSTRUCTIONS);
            artifacts.insert(
                UI_RESOURCES.to_owned(),
                json!({ "data": self.ui_resources }),
            );
        }
        let artifacts = (!artifacts.is_empty()).then_some(Value::Object(artifacts));
        if self.text.is_empty() && artifacts.is_none() {
            self.text.push_str(NO_RESPONSE);
        }
        ToolContent {
            text: self.text,
            artifacts,
        }
    }
}

fn as_text(content: &[Item<'_>], max_image_bytes: usize) -> Result<ToolContent> {
    let mut text = String::new();
    for item in content {
        let before = text.len();
        if before > 0 {
            text.push_str("\n\n");
        }
        let start = text.len();
        match item {
            Item::Text(literal) => push_literal(&mut text, literal.get()),
            Item::Other(item) => text.push_str(&block_of(item, max_image_bytes)?),
        }
        if text.len() == start {
            text.truncate(before);
        }
    }
    Ok(ToolContent {
        text,
        artifacts: None,
    })
}

/// An item as one text.
fn block_of(item: &Value, max_image_bytes: usize) -> Result<String> {
    Ok(match text_of(item, "type") {
        "text" => String::new(),
        "resource" => {
            let resource = &item["resource"];
            let first = match body(resource) {
                Body::Text(text) => Some(text.into_owned()),
                Body::Image { data, mime_type } => {
                    check_image(data, max_image_bytes)?;
                    Some(data_url(&one_line(mime_type), data))
                }
                Body::Binary { bytes } => Some(resource::omitted(bytes)),
                Body::None => None,
            };
            let named = |label: &str, value: &str| {
                (!value.is_empty()).then(|| format!("{label}{}", one_line(value)))
            };
            let lines = [
                first,
                named("Resource URI: ", text_of(resource, "uri")),
                named("Type: ", text_of(resource, "mimeType")),
            ];
            lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
        }
        "resource_link" => resource::link(item).join("\n"),
        kind => {
            if kind == "image" {
                check_image(text_of(item, "data"), max_image_bytes)?;
            }
            indented(item)
        }
    })
}

fn is_remote(data: &str) -> bool {
    data.starts_with("http://") || data.starts_with("https://")
}

fn data_url(mime_type: &str, data: &str) -> String {
    format!("data:{mime_type};base64,{data}")
}

fn check_image(data: &str, max_bytes: usize) -> Result<()> {
    let padding = data
        .bytes()
        .rev()
        .take(2)
        .take_while(|byte| *byte == b'=')
        .count();
    let bytes = (data.len() * 3 / 4).saturating_sub(padding);
    if is_remote(data) || bytes <= max_bytes {
        return Ok(());
    }
    let message =
        format!("MCP image result exceeds maximum size of {max_bytes} bytes: {bytes} bytes");
    Err(Error::new(Code::ResponseTooLarge, message))
}

/// The first ten hex digits of the text's SHA-256.
fn resource_id(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(5).fold(String::new(), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests;
