//! Text that somebody else wrote (a server, an authorization server, a process), made fit for an error, a log or a
//! terminal: short, without the secrets of the request it answers, and without characters that a terminal obeys.
//!
//! Every such text goes through [`foreign_text`] once, where it is first put into a message of ours.

mod characters;
mod error;
mod repeated;
mod said;
mod sent;
mod text;

pub use characters::escape;
pub use error::{foreign_error, safe_error, safe_message};
pub use said::{Speaker, said};
pub use sent::SentSecrets;
pub use text::{LONGEST, foreign_text, foreign_words};

#[cfg(test)]
mod tests;
