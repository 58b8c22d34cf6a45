//! Reading members of `oauth`, and of the objects in it.

use serde_json::Value;
use url::Url;

use super::super::environment;
use super::super::placeholders::has_placeholders;
use super::super::problem::{Checked, Members, Problem, present, problem};

pub(super) fn is_filled(members: &Members, name: &str) -> bool {
    let text = members.get(name).and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty())
}

/// The last part of the path is a member of `members`; so below.
fn named<'m>(members: &'m Members, path: &[&str]) -> Option<&'m Value> {
    present(members, path.last()?)
}

pub(super) fn is_text(members: &Members, path: &[&str]) -> Checked {
    match named(members, path) {
        Some(value) if !value.is_string() => Err(problem(path, "must be a string")),
        _ => Ok(()),
    }
}

/// A text with variables is a URL, or none, when they are filled in.
pub(super) fn is_url(members: &Members, path: &[&str]) -> Checked {
    let text = named(members, path).and_then(Value::as_str);
    let is_wrong = |text: &str| {
        let url = Url::parse(text).ok();
        !is_variable(text) && !url.is_some_and(|url| matches!(url.scheme(), "https" | "http"))
    };
    if text.is_some_and(is_wrong) {
        return Err(problem(path, "must be an https URL"));
    }
    Ok(())
}

pub(super) fn is_variable(text: &str) -> bool {
    environment::names(text).next().is_some()
}

/// An object with none but these members: a misspelt one would be a key that is not used. What it holds is the same
/// for all users.
pub(super) fn object<'m>(
    members: &'m Members,
    path: &[&str],
    allowed: &[&str],
) -> Result<Option<&'m Members>, Problem> {
    let Some(value) = named(members, path) else {
        return Ok(None);
    };
    let Value::Object(object) = value else {
        return Err(problem(path, "must be an object"));
    };
    for (name, value) in object {
        let path = [path, &[name]].concat();
        if !allowed.contains(&name.as_str()) {
            return Err(problem(&path, "is not known"));
        }
        if has_placeholders(value) {
            return Err(problem(&path, "must not hold a placeholder"));
        }
    }
    Ok(Some(object))
}
