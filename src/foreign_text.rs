//! Text that somebody else wrote (a server, an authorization server, a process), made fit for an error, a log or a
//! terminal: short, without the secrets of the request it answers, and without characters that a terminal obeys.
//!
//! Every such text goes through [`foreign_text`] once, where it is first put into a message of ours.

use crate::secret::Secret;

/// The longest text of others that an error or a log line carries, in bytes.
pub const LONGEST: usize = 2048;
/// The shortest part of a secret that gives it away, in characters.
const REVEALING: usize = 12;

/// What a request carried that must not come back in a text: tokens, keys, codes, verifiers.
#[derive(Debug, Clone, Default)]
pub struct SentSecrets(Vec<Secret>);

impl SentSecrets {
    pub fn add(&mut self, secret: impl Into<Secret>) {
        self.0.push(secret.into());
    }
}

impl From<Vec<Secret>> for SentSecrets {
    fn from(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }
}

/// At most [`LONGEST`] bytes of `text`, with `***` in place of what it repeats of `sent`, and control and bidirectional
/// characters (line breaks too) as escapes.
#[must_use]
pub fn foreign_text(text: &str, sent: &SentSecrets) -> String {
    // A secret must not survive because the cut went through it.
    let margin = cut(text, LONGEST * 2);
    let redacted = redact(margin, sent);
    let mut told = escape(cut(&redacted, LONGEST));
    if margin.len() < text.len() || redacted.len() > LONGEST {
        told.push('…');
    }
    told
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn redact(text: &str, sent: &SentSecrets) -> String {
    let mut text = text.to_owned();
    for secret in sent.0.iter().map(Secret::expose) {
        if secret.len() >= REVEALING {
            text = text.replace(secret.as_str(), "***");
        }
    }
    text
}

/// Control and bidirectional characters as escapes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether a terminal, or somebody who reads a log, may take the character for something else.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_controls_escaped() {
        let text = foreign_text(&"ö".repeat(5000), &SentSecrets::default());
        assert!(text.len() <= LONGEST + '…'.len_utf8() && text.ends_with("ö…"));
        assert_eq!(
            foreign_text("a\r\n\u{1b}[31m\u{202e}b", &SentSecrets::default()),
            r"a\r\n\u{1b}[31m\u{202e}b"
        );
    }
}
