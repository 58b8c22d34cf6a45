//! POSTs that are answered with anything but success, and whether that means that the session is lost.

use std::hash::{DefaultHasher, Hasher};

use http::StatusCode;

use super::message::AnswerTo;
use super::remote::refusal;
use super::wire::{Failure, Loss};
use crate::error::{Code, Error};
use crate::foreign_text::SentSecrets;
use crate::network::Response;

/// What servers write when they do not know a session, or want a handshake first.
const WORDS: [&str; 4] = ["session", "initializ", "initialis", "handshake"];

/// Whether a text is about sessions or handshakes. Servers quote arguments, so that this proves nothing.
#[must_use]
pub fn mentions_session(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// `has_session`: whether the POST named a session. `id`: of the request that was posted.
pub(super) async fn refused(
    response: Response,
    has_session: bool,
    id: Option<u64>,
    sent: &SentSecrets,
) -> Failure {
    let status = response.status;
    let refusal = refusal(response, sent).await;
    let loss = loss(status, has_session, &refusal.body);
    let is_unknown = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    let error = if is_unknown && loss == Loss::Certain {
        forgotten()
    } else {
        refusal.error
    };
    // The message of a JSON-RPC error says what matters of its body, in which the id is another for each request.
    let said = match error.rpc_code {
        Some(_) => &error.message,
        None => &refusal.body,
    };
    let has_answer = matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND);
    let answer = refusal.answer.filter(|(to, _)| {
        has_answer && (*to == AnswerTo::Nobody || id.is_some() && to.ours() == id)
    });
    let is_about_session = is_unknown || mentions_session(&refusal.body);
    Failure {
        words: is_about_session.then(|| digest(said)),
        error,
        loss,
        answer: answer.map(|(_, answer)| Box::new(answer)),
    }
}

/// A session that the server does not know.
#[must_use]
pub fn forgotten() -> Error {
    Error::new(
        Code::ConnectionLost,
        "The server no longer knows the session",
    )
}

/// What a server has said, to be compared with what it says to another request. Only what speaks of sessions can be how it
/// refuses whatever names one that it does not know.
#[must_use]
pub fn words(said: &str) -> Option<u64> {
    mentions_session(said).then(|| digest(said))
}

/// A number may be that of the request.
fn digest(said: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in said.split(|char: char| char.is_ascii_digit()) {
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

fn loss(status: StatusCode, has_session: bool, body: &str) -> Loss {
    match status.as_u16() {
        // The specification's answer for a session that is unknown, unless it speaks of something else.
        404 | 410 if has_session && (body.trim().is_empty() || mentions_session(body)) => {
            Loss::Certain
        }
        401 | 403 | 407 | 429 => Loss::No,
        400..=501 if has_session => Loss::Perhaps,
        _ if mentions_session(body) => Loss::Perhaps,
        _ => Loss::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_refusals_mean_a_lost_session() {
        for (status, has_session, body, expected) in [
            (404, true, "", Loss::Certain),
            (404, false, "", Loss::No),
            (404, true, "No such document", Loss::Perhaps),
            (410, true, "unknown session", Loss::Certain),
            (410, true, "gone", Loss::Perhaps),
            (400, true, "", Loss::Perhaps),
            (400, true, "Invalid arguments", Loss::Perhaps),
            (400, false, "Server not initialized", Loss::Perhaps),
            (400, false, "Invalid arguments", Loss::No),
            (409, true, "", Loss::Perhaps),
            (440, true, "", Loss::Perhaps),
            (500, true, "", Loss::Perhaps),
            (500, false, "", Loss::No),
            (503, true, "", Loss::No),
            (503, true, "session not found", Loss::Perhaps),
            (401, true, "session expired", Loss::No),
            (429, true, "too many sessions", Loss::No),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(loss(status, has_session, body), expected, "{status} {body}");
        }
    }
}
