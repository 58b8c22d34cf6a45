//! Results that are larger than an operator lets them be (`maxResultBytes`, `overflow`).

mod cut;
mod item;
mod kept;
mod parts;
mod whole;

#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::hex;
use crate::literal::quoted;
use crate::server_config::Overflow;

use cut::Answer;
pub use kept::{Id, KeptResults, MOST_OF_USER, Reader, not_found};
pub use whole::{SCHEME, Whole, is_of_scheme};

/// What is given of a result that is too large.
pub struct FittedResult {
    pub answer: Box<RawValue>,
    /// What is to be kept for whoever reads the rest.
    pub kept: Option<(Id, Whole)>,
}

/// What is given in place of a result that has more than `bound` bytes of JSON.
///
/// # Errors
/// [`Code::ResultTooLarge`] where that is the operator's wish, or nothing of the result would fit.
pub fn fit(
    answer: &RawValue,
    bound: usize,
    overflow: Overflow,
    call: Call<'_>,
) -> Result<FittedResult> {
    let read = Answer::read(answer.get());
    let given = match overflow {
        Overflow::Error => None,
        Overflow::Cut => read.cut(bound, bound, "", None).map(|json| (json, None)),
        Overflow::Resource => keep(&read, bound, call),
    };
    let given = given.and_then(|(json, kept)| {
        let answer = RawValue::from_string(json).ok()?;
        Some(FittedResult { answer, kept })
    });
    given.ok_or_else(|| too_large(answer.get().len(), bound, call))
}

/// The call whose result it is.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub server_name: &'a str,
    /// As it is told.
    pub tool_name: &'a str,
}

fn keep(read: &Answer<'_>, bound: usize, call: Call<'_>) -> Option<(String, Option<(Id, Whole)>)> {
    let id: Id = rand::random();
    let uri = format!("{SCHEME}{}", hex::encode(&id));
    let whole = Whole::of(read, &uri, bound);
    if whole.size() > MOST_OF_USER {
        let json = read.cut(bound, bound, "; it is too large to be kept", None)?;
        return Some((json, None));
    }
    let link = format!(
        "{{\"type\":\"resource_link\",\"uri\":\"{uri}\",\"name\":{},\"mimeType\":\"text/plain\",\"size\":{}}}",
        quoted(call.tool_name),
        whole.text_size()
    );
    let rest = "; the resource below has all of it, to be read in parts";
    let json = read.cut(bound, bound / 4, rest, Some(&link))?;
    Some((json, Some((id, whole))))
}

fn too_large(bytes: usize, bound: usize, call: Call<'_>) -> Error {
    let Call {
        server_name,
        tool_name,
    } = call;
    Error::new(
        Code::ResultTooLarge,
        format!(
            "The result of the tool '{tool_name}' of MCP server '{server_name}' has {bytes} bytes, and maxResultBytes \
             allows {bound}: ask the tool for less at a time, or have the operator raise maxResultBytes or set overflow"
        ),
    )
}
