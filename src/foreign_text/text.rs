//! One text of others.

use super::SentSecrets;
use super::characters::{cut, escape, shorten};
use super::repeated;

/// The longest text of others that an error or a log line carries, in bytes.
pub const LONGEST: usize = 2048;
/// The same for what a server says of a failure. With the ellipsis it is at most 300 characters.
const LONGEST_WORDS: usize = 297;

/// At most [`LONGEST`] bytes of `text`, with `***` in place of what it repeats of `sent`, in whichever encoding, and
/// control, bidirectional and invisible characters (line breaks too) as escapes.
#[must_use]
pub fn foreign_text(text: &str, sent: &SentSecrets) -> String {
    told(text, sent, LONGEST)
}

/// The same of what explains a failure, at most 300 characters.
#[must_use]
pub fn foreign_words(text: &str, sent: &SentSecrets) -> String {
    told(text, sent, LONGEST_WORDS)
}

fn told(text: &str, sent: &SentSecrets, longest: usize) -> String {
    // A secret must not survive because the cut went through it.
    let searched = cut(text, longest + LONGEST);
    let told = cut(searched, longest);
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
    if safe.len() <= longest && told.len() < text.len() {
        safe.push('…');
    }
    shorten(safe, longest)
}
