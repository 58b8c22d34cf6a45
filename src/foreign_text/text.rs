//! One text of others.

use super::SentSecrets;
use super::characters::{cut, escape, shorten};
use super::repeated;

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
