//! One item of a result's `content`.

use super::parts::Parts;

/// What is read of an item; all of it is the server's text.
pub struct Item<'a> {
    /// A text of a text item, or of a resource: a JSON string.
    pub text: Option<&'a str>,
    /// Base64 of an image, of audio or of a resource: a JSON string.
    pub data: Option<&'a str>,
    /// What it is; empty where the server says nothing of that, or nothing that is a media type.
    pub mime_type: &'a str,
}

impl<'a> Item<'a> {
    pub fn read(item: &'a str) -> Self {
        let mut read = Members::read(item);
        let resource = read.resource.map(Members::read);
        match read.kind {
            r#""text""# => read.data = None,
            r#""image""# | r#""audio""# => read.text = None,
            r#""resource""# => read = resource.unwrap_or_default(),
            _ => read = Members::default(),
        }
        // The page of an app is nothing for readers, and no page any more without its end.
        let is_page = read.uri.starts_with("\"ui://");
        Self {
            text: read.text.filter(|_| !is_page),
            data: read.data.filter(|_| !is_page),
            mime_type: media_type(read.mime_type),
        }
    }

    /// What is said in place of one that is left out.
    pub fn left_out(&self, bytes: usize) -> String {
        let what = match self.mime_type {
            "" => "an item",
            known => known,
        };
        format!("[left out: {what} of {bytes} bytes]")
    }
}

/// Of several members with one name the last counts, as in JavaScript.
#[derive(Default)]
struct Members<'a> {
    kind: &'a str,
    uri: &'a str,
    mime_type: &'a str,
    text: Option<&'a str>,
    data: Option<&'a str>,
    resource: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn read(object: &'a str) -> Self {
        let mut read = Self::default();
        for part in Parts::of(object) {
            let is_text = part.value.starts_with('"');
            let text = Some(part.value).filter(|_| is_text);
            if part.is_named("type") {
                read.kind = part.value;
            } else if part.is_named("text") {
                read.text = text;
            } else if part.is_named("data") || part.is_named("blob") {
                read.data = text;
            } else if part.is_named("mimeType") {
                read.mime_type = part.value;
            } else if part.is_named("uri") {
                read.uri = part.value;
            } else if part.is_named("resource") {
                read.resource = Some(part.value);
            }
        }
        read
    }
}

/// The inside of a JSON string, where that is a media type and nothing else.
fn media_type(literal: &str) -> &str {
    let inside = literal
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .unwrap_or_default();
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"/+.-;=_".contains(&byte);
    if inside.len() <= 100 && inside.bytes().all(is_known) {
        inside
    } else {
        ""
    }
}
