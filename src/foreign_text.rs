//! Text that somebody else wrote (a server, an authorization server, a process), made fit for an error, a log or a
//! terminal: short, without the secrets of the request it answers, and without characters that a terminal obeys.
//!
//! Every such text goes through [`foreign_text`] once, where it is first put into a message of ours.

mod repeated;
mod sent;
mod wrap;

use std::borrow::Cow;

pub use sent::SentSecrets;
pub use wrap::{foreign_error, foreign_log, safe_error, safe_message};

/// The longest text of others that an error or a log line carries, in bytes.
pub const LONGEST: usize = 2048;

/// At most [`LONGEST`] bytes of `text`, with `***` in place of what it repeats of `sent`, in whichever encoding, and
/// control, bidirectional and invisible characters (line breaks too) as escapes.
#[must_use]
pub fn foreign_text(text: &str, sent: &SentSecrets) -> String {
    // A secret must not survive because the cut went through it.
    let searched = cut(text, LONGEST * 2);
    let told = cut(searched, LONGEST);
    let mut safe = String::with_capacity(told.len());
    let mut from = 0;
    for range in repeated::ranges(searched, sent.secrets()) {
        if range.start >= told.len() {
            break;
        }
        safe.push_str(&escape(&text[from..range.start]));
        safe.push_str("***");
        from = range.end;
    }
    if from < told.len() {
        safe.push_str(&escape(&told[from..]));
    }
    // Escapes are longer than what they stand for.
    if safe.len() <= LONGEST && told.len() < text.len() {
        safe.push('…');
    }
    shorten(safe, LONGEST)
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn shorten(mut text: String, bytes: usize) -> String {
    if text.len() > bytes + '…'.len_utf8() {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

/// Control, bidirectional and invisible characters as escapes.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    // Most texts are plain, which is seen sooner byte by byte.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a terminal, or somebody who reads a log, may take the character for something else.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests;
