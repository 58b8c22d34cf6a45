//! LibreChat's `processMCPEnv`: a whole config in, the same config with its texts expanded out.

use serde_json::{Map, Value};

use super::api_key;
use super::placeholders::{Context, Depth, Expander, Place};
use super::policy;
use super::text::{is_truthy, js_string};

/// Expands `env`, `args`, `headers`, `url`, `proxy` and the texts of `oauth`, and turns an administrator's `apiKey`
/// into a header; every other member is kept. Values that are no text become one, as in the reference.
///
/// `db_sourced` says that a user made the config, so that only the user's own variables are expanded. Without it a
/// config with a `dbId` or the source `user` counts as such.
#[must_use]
pub fn process_mcp_env(
    mut members: Map<String, Value>,
    context: &Context<'_>,
    db_sourced: Option<bool>,
) -> Map<String, Value> {
    let db_sourced = db_sourced.unwrap_or_else(|| {
        members.get("dbId").is_some_and(is_truthy) || policy::is_user_sourced(&members)
    });
    let expander = Expander::new(context, db_sourced, Depth::Reference);
    let expand = |value: &mut Value, place| {
        let text = match &*value {
            Value::String(template) => expander.text(template, place),
            other => js_string(other),
        };
        *value = Value::String(text);
    };

    api_key::apply(&mut members);
    for (name, place) in [("env", Place::UrlOrEnv), ("headers", Place::Header)] {
        if let Some(Value::Object(entries)) = members.get_mut(name) {
            entries.values_mut().for_each(|value| expand(value, place));
        }
    }
    if let Some(Value::Array(items)) = members.get_mut("args") {
        items.iter_mut().for_each(|item| expand(item, Place::Other));
    }
    if let Some(url) = members.get_mut("url").filter(|url| is_truthy(url)) {
        expand(url, Place::UrlOrEnv);
    }
    if let Some(proxy) = members.get_mut("proxy").filter(|proxy| is_truthy(proxy)) {
        let text = match &*proxy {
            Value::String(template) => expander.admin_text(template),
            other => js_string(other),
        };
        *proxy = Value::String(text);
    }
    if let Some(Value::Object(oauth)) = members.get_mut("oauth") {
        expand_texts(oauth, &expander);
    }
    members
}

/// Expands the texts of an `oauth` member and leaves lists and flags alone.
pub(super) fn expand_texts(oauth: &mut Map<String, Value>, expander: &Expander<'_>) {
    for value in oauth.values_mut() {
        if let Value::String(template) = value {
            *template = expander.text(template, Place::Other);
        }
    }
}
