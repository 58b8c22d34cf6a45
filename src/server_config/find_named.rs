//! Finds what the texts of a config name.

use serde_json::{Map, Value};

use super::environment;
use super::model::ServerConfig;
use super::named::Named;
use super::placeholders::{
    BODY_FIELDS, BODY_PREFIX, GRAPH_PREFIX, GRAPH_TOKEN, OPENID_PREFIX, USER_PREFIX, field_of,
    placeholders,
};

impl ServerConfig {
    /// What its texts name.
    pub(super) fn named(&self) -> &Named {
        self.named.get_or_init(|| Named::of(self))
    }
}

impl Named {
    fn of(config: &ServerConfig) -> Self {
        if config.is_literal() {
            return Self {
                headers_of_calls: Some(false),
                ..Self::default()
            };
        }
        let of_connection: Vec<_> = of_connection(config).collect();
        let of_tool_calls: Vec<_> = runtime(config.request_headers.values()).collect();
        let mut all = of_connection.iter().chain(&of_tool_calls);
        let mut of_recipe = runtime(
            config
                .url
                .iter()
                .chain(&config.args)
                .chain(config.env.values()),
        );
        let mut with_graph_token = (config.url.iter().chain(config.headers.values()))
            .chain(config.request_headers.values())
            .chain(config.env.values());
        let mut headers = config.headers.values();
        let named: Vec<_> = (of_connection.iter())
            .filter_map(|name| body_field(name))
            .collect();
        Self {
            is_personal: all.clone().next().is_some(),
            is_request_scoped: all.any(|name| name.starts_with(BODY_PREFIX)),
            is_bound_to_request: of_recipe.any(|name| name.starts_with(BODY_PREFIX)),
            body_fields: (BODY_FIELDS.into_iter())
                .filter(|field| named.contains(field))
                .collect(),
            uses_graph_token: with_graph_token
                .any(|template| placeholders(template).any(|name| name == GRAPH_TOKEN)),
            headers_of_calls: (headers.clone())
                .all(|template| environment::names(template).next().is_none())
                .then(|| headers.any(|template| is_of_calls(template))),
        }
    }
}

/// Whether a text names a token or the chat request.
pub(super) fn is_of_calls(template: &str) -> bool {
    let prefixes = [BODY_PREFIX, OPENID_PREFIX, GRAPH_PREFIX];
    placeholders(template).any(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// The placeholders of the user, their login or the chat request that a connection needs.
fn of_connection(config: &ServerConfig) -> impl Iterator<Item = &str> {
    let oauth = config.oauth.iter().flat_map(Map::values);
    let templates = (config.url.iter().chain(&config.args))
        .chain(config.headers.values())
        .chain(config.oauth_headers.values())
        .chain(config.env.values());
    runtime(templates).chain(runtime(oauth.flat_map(texts_within)))
}

/// Those in some texts. Names of the chat request that nothing fills in are none.
fn runtime<'t, T: AsRef<str> + ?Sized + 't>(
    templates: impl Iterator<Item = &'t T>,
) -> impl Iterator<Item = &'t str> {
    let is_runtime = |name: &&str| match name.strip_prefix(BODY_PREFIX) {
        Some(_) => body_field(name).is_some(),
        None => [USER_PREFIX, OPENID_PREFIX, GRAPH_PREFIX]
            .into_iter()
            .any(|prefix| {
                name.strip_prefix(prefix)
                    .is_some_and(|rest| !rest.is_empty())
            }),
    };
    templates
        .flat_map(|template| placeholders(template.as_ref()))
        .filter(is_runtime)
}

fn body_field(name: &str) -> Option<&'static str> {
    field_of(&BODY_FIELDS, name.strip_prefix(BODY_PREFIX)?).copied()
}

/// All texts of a value, however deep.
fn texts_within(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(texts_within)),
        Value::Object(members) => Box::new(members.values().flat_map(texts_within)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}
