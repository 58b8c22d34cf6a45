//! Short spellings for tests.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::ServerConfig;
use crate::user::User;

pub(super) fn members(config: Value) -> Map<String, Value> {
    match config {
        Value::Object(members) => members,
        other => panic!("a config is an object, not {other}"),
    }
}

pub(super) fn config(config: Value) -> ServerConfig {
    ServerConfig::from_members(members(config)).unwrap()
}

pub(super) fn texts<const N: usize>(pairs: [(&str, &str); N]) -> IndexMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn user<const N: usize>(id: &str, fields: [(&str, &str); N]) -> User {
    User {
        id: Some(id.to_owned()),
        fields: texts(fields),
        ..User::default()
    }
}
