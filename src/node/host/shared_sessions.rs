//! `sharedSessions`: the host's store of MCP sessions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::SessionStore;
use crate::node::engine::{JsResult, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::from_js::wrong_answer;
use crate::node::marshal::to_js::Optional;

/// The member of the host's services.
pub const SESSIONS: &str = "sharedSessions";
const SERVICE: Service = Service::Host(SESSIONS);

const GET: Callback<(String,), Option<String>> =
    Callback::reading("sharedSessions.get", STORE_TIMEOUT, |_, value| {
        text_or_nothing(value, "sharedSessions.get")
    });
const SET: Callback<(String, String, Duration), ()> =
    Callback::new("sharedSessions.set", STORE_TIMEOUT);
const COMPARE_AND_SET: Callback<(String, Option<String>, String, Duration), bool> =
    Callback::reading("sharedSessions.compareAndSet", STORE_TIMEOUT, |_, value| {
        yes_or_no(value, "sharedSessions.compareAndSet")
    });
const DELETE: Callback<(String, Optional<String>), bool> =
    Callback::reading("sharedSessions.delete", STORE_TIMEOUT, |_, value| {
        yes_or_no(value, "sharedSessions.delete")
    });

pub(super) fn text_or_nothing<'env>(
    value: Value<'env>,
    function: &str,
) -> JsResult<'env, Option<String>> {
    match (value.present(), value.as_string()) {
        (Some(_), None) => Err(wrong_answer(value, function, "a string or undefined")),
        (_, text) => Ok(text),
    }
}

/// Whoever takes something else for a yes has taken what is another's.
pub(super) fn yes_or_no<'env>(value: Value<'env>, function: &str) -> JsResult<'env, bool> {
    let answer = value.as_bool();
    answer.ok_or_else(|| wrong_answer(value, function, "a boolean"))
}

pub struct NodeSessions(pub Arc<CallContext>);

#[async_trait]
impl SessionStore for NodeSessions {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        GET.call(&self.0, &SERVICE, (key.to_owned(),)).await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        let row = (key.to_owned(), value.to_owned(), ttl);
        SET.call(&self.0, &SERVICE, row).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
        ttl: Duration,
    ) -> Result<bool> {
        let expected = expected.map(str::to_owned);
        let row = (key.to_owned(), expected, value.to_owned(), ttl);
        COMPARE_AND_SET.call(&self.0, &SERVICE, row).await
    }

    async fn delete(&self, key: &str, expected: Option<&str>) -> Result<bool> {
        let expected = Optional(expected.map(str::to_owned));
        DELETE
            .call(&self.0, &SERVICE, (key.to_owned(), expected))
            .await
    }
}
