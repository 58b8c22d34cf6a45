//! What somebody in this process wants to hear of a server's changes: lists, and single resources (MCP, chapters
//! "Resources" and, from 2026-07-28, "Subscriptions").
//!
//! A server with sessions is asked for each resource (`resources/subscribe`), and once more by each new session. One of
//! 2026-07-28 is told all that is wanted on one stream: `listening.rs`.

use std::collections::BTreeSet;
use std::ops::Not;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use super::failures::{METHOD_NOT_FOUND, server_error};
use crate::error::{Code, Error, Result};
use crate::transport::Reply;

/// How many resources a connection may be subscribed to, and how many bytes the URI of each may have.
const MOST: usize = 1024;
pub(super) const LONGEST_URI: usize = 8 * 1024;

pub(super) const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
pub(super) const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
pub(super) const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
pub(super) const RESOURCE_UPDATED: &str = "notifications/resources/updated";

/// `SubscriptionFilter`: what is wanted of a server, or what it agreed to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "Not::not")]
    pub tools_list_changed: bool,
    #[serde(skip_serializing_if = "Not::not")]
    pub prompts_list_changed: bool,
    #[serde(skip_serializing_if = "Not::not")]
    pub resources_list_changed: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub resource_subscriptions: BTreeSet<String>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both have.
    fn and(&self, other: &Self) -> Self {
        let uris = &self.resource_subscriptions & &other.resource_subscriptions;
        Self {
            tools_list_changed: self.tools_list_changed && other.tools_list_changed,
            prompts_list_changed: self.prompts_list_changed && other.prompts_list_changed,
            resources_list_changed: self.resources_list_changed && other.resources_list_changed,
            resource_subscriptions: uris,
        }
    }

    fn has(&self, method: &str) -> bool {
        match method {
            TOOLS_CHANGED => self.tools_list_changed,
            PROMPTS_CHANGED => self.prompts_list_changed,
            RESOURCES_CHANGED => self.resources_list_changed,
            // Which ones is looked at for servers of both generations.
            _ => !self.resource_subscriptions.is_empty(),
        }
    }
}

/// Of one connection.
#[derive(Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
    /// Something else may be wanted than before.
    pub changed: Notify,
    /// The server has answered `subscriptions/listen`, which ends the stream.
    ended: Notify,
    /// Those who wait for a subscription look whether it has come about.
    settled: Notify,
    /// The parameters of `logging/setLevel`, which belongs to a session as well.
    pub level: Mutex<Option<Value>>,
}

#[derive(Default)]
struct State {
    uris: BTreeSet<String>,
    /// A task listens.
    is_listening: bool,
    wishes: u64,
    stream: Option<Stream>,
    /// The server has refused, and is not asked for lists alone again.
    is_refused: bool,
    /// A stream was lost, and what has changed since was not heard.
    has_missed: bool,
}

impl State {
    fn asks_for(&self, wanted: &Filter) -> bool {
        if self.is_refused {
            return !wanted.resource_subscriptions.is_empty();
        }
        !wanted.is_empty()
    }
}

/// One `subscriptions/listen`.
struct Stream {
    id: u64,
    asked: Filter,
    /// What the server agreed to; absent until it has acknowledged.
    agreed: Option<Filter>,
    answer: Option<Reply>,
    /// Why it came to nothing.
    failure: Option<Error>,
}

/// What became of one `subscriptions/listen`.
pub(super) struct Ended {
    pub agreed: Option<Filter>,
    pub answer: Option<Reply>,
}

impl Subscriptions {
    pub fn uris(&self) -> BTreeSet<String> {
        self.state.lock().uris.clone()
    }

    /// Whether it is the first subscription to this resource.
    pub fn add(&self, uri: &str) -> Result<bool> {
        let mut state = self.state.lock();
        if uri.len() > LONGEST_URI {
            let message = format!("The URI of a resource has more than {LONGEST_URI} bytes");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        if state.uris.len() >= MOST && !state.uris.contains(uri) {
            let message = format!("A connection has at most {MOST} subscriptions to resources");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(state.uris.insert(uri.to_owned()))
    }

    pub fn remove(&self, uri: &str) {
        self.state.lock().uris.remove(uri);
    }

    /// The resources that an update is about: one itself, or all whose parts it may be.
    pub fn subscribed(&self, uri: &str) -> Vec<String> {
        let state = self.state.lock();
        let subscribed = state.uris.iter().filter(|whole| covers(whole, uri));
        subscribed.cloned().collect()
    }

    /// Whether a task has to listen from now on. One that is there looks whether something else is wanted.
    pub fn begins(&self, wanted: &Filter) -> bool {
        let mut state = self.state.lock();
        state.wishes += 1;
        if state.is_listening {
            self.changed.notify_one();
            return false;
        }
        state.is_listening = state.asks_for(wanted);
        state.is_listening
    }

    /// How often somebody has wanted something else; read before what is wanted is looked at.
    pub fn wishes(&self) -> u64 {
        self.state.lock().wishes
    }

    /// Whether the task ends: nothing is wanted beside what `asked` was refused. `None` where something else may be wanted
    /// by now: whoever wants it relies on the task that is there.
    pub fn ends(&self, wishes: u64, wanted: &Filter, asked: &Filter) -> Option<bool> {
        let mut state = self.state.lock();
        if state.wishes != wishes {
            return None;
        }
        state.is_listening = state.asks_for(wanted) && wanted != asked;
        Some(!state.is_listening)
    }

    pub fn refuse(&self) {
        self.state.lock().is_refused = true;
    }

    pub fn opening(&self, id: u64, asked: Filter) {
        self.state.lock().stream = Some(Stream {
            id,
            asked,
            agreed: None,
            answer: None,
            failure: None,
        });
    }

    /// Notes what the server agreed to on the stream `id`, the first time. Answers whether changes may have been missed
    /// before.
    pub fn acknowledge(&self, id: u64, agreed: &Filter) -> bool {
        let mut state = self.state.lock();
        let stream = state.stream.as_mut();
        let Some(stream) = stream.filter(|it| it.id == id && it.agreed.is_none()) else {
            return false;
        };
        stream.agreed = Some(stream.asked.and(agreed));
        let has_missed = std::mem::take(&mut state.has_missed);
        drop(state);
        self.settled.notify_waiters();
        has_missed
    }

    pub fn is_acknowledged(&self) -> bool {
        let state = self.state.lock();
        state.stream.as_ref().is_some_and(|it| it.agreed.is_some())
    }

    /// Takes the answer to `subscriptions/listen`, where it is one.
    pub fn answered(&self, id: u64, answer: Reply) -> Option<Reply> {
        let mut state = self.state.lock();
        let Some(stream) = state.stream.as_mut().filter(|it| it.id == id) else {
            return Some(answer);
        };
        stream.answer.get_or_insert(answer);
        drop(state);
        self.ended.notify_one();
        None
    }

    /// Resolves when the stream that is open has been answered.
    pub async fn answer(&self) {
        let is_answered = || {
            let state = self.state.lock();
            state.stream.as_ref().is_none_or(|it| it.answer.is_some())
        };
        while !is_answered() {
            self.ended.notified().await;
        }
    }

    /// The stream is over; nothing of it is heard any more. Those who wait for it hear of the `failure`, unless another
    /// stream takes its place at once.
    pub fn close(&self, failure: Option<Error>) -> Ended {
        let mut state = self.state.lock();
        state.has_missed |= failure.is_some();
        let mut ended = Ended {
            agreed: None,
            answer: None,
        };
        if let Some(stream) = &mut state.stream {
            ended.agreed = stream.agreed.take();
            ended.answer = stream.answer.take();
            let refusal = match &ended.answer {
                Some(Reply::Error(error)) => Some(server_error(error)),
                _ => failure,
            };
            stream.failure = refusal.filter(|_| ended.agreed.is_none());
        }
        drop(state);
        self.settled.notify_waiters();
        ended
    }

    /// Waits until the server has agreed to tell of this resource.
    pub async fn settles(&self, uri: &str) -> Result<()> {
        let outcome = || {
            let state = self.state.lock();
            let stream = state.stream.as_ref();
            let stream = stream.filter(|it| it.asked.resource_subscriptions.contains(uri))?;
            match (&stream.agreed, &stream.failure) {
                (Some(agreed), _) if agreed.resource_subscriptions.contains(uri) => Some(Ok(())),
                (Some(_), _) => Some(Err(unsupported())),
                (None, Some(failure)) => Some(Err(failure.clone())),
                (None, None) => None,
            }
        };
        loop {
            let settled = self.settled.notified();
            if let Some(outcome) = outcome() {
                return outcome;
            }
            settled.await;
        }
    }

    /// Whether a notification belongs to the subscription that it names (`id`): its stream is open and acknowledged, and
    /// what it tells was asked for.
    pub fn hears(&self, method: &str, id: u64) -> bool {
        let state = self.state.lock();
        let stream = state.stream.as_ref().filter(|it| it.id == id);
        let agreed = stream.and_then(|it| it.agreed.as_ref());
        agreed.is_some_and(|agreed| agreed.has(method))
    }
}

/// Whether an update of `uri` is one of the resource `whole`: of it, or of a part of it. All of a scheme is no resource.
fn covers(whole: &str, uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix(whole) else {
        return false;
    };
    let path = whole.split_once(':').map(|(_, path)| path);
    let has_parts = path.is_some_and(|path| path.contains(|it| it != '/'));
    rest.is_empty() || has_parts && (whole.ends_with('/') || rest.starts_with(['/', '?', '#']))
}

pub(super) fn unsupported() -> Error {
    let message = "The server does not tell of changes of this resource";
    Error::mcp(Code::ServerError, METHOD_NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_covers_a_resource_and_its_parts() {
        for (whole, uri, expected) in [
            ("file:///doc/1", "file:///doc/1", true),
            ("file:///doc/1", "file:///doc/1/a", true),
            ("file:///doc/1", "file:///doc/1?a", true),
            ("file:///doc/1", "file:///doc/1#a", true),
            ("file:///doc/1", "file:///doc/10", false),
            ("file:///doc/", "file:///doc/1", true),
            ("note:a", "note:a/b", true),
            ("https://a.example", "https://a.example/b", true),
            ("https://a.example", "https://a.example.net/b", false),
            ("file:", "file:", true),
            ("file:", "file:///doc/1", false),
            ("file:/", "file:///doc/1", false),
            ("file://", "file:///doc/1", false),
            ("file:///", "file:///doc/1", false),
            ("file", "file/doc", false),
            ("", "/doc", false),
            ("", "file:///doc/1", false),
        ] {
            let subscriptions = Subscriptions::default();
            subscriptions.add(whole).unwrap();
            let covers = !subscriptions.subscribed(uri).is_empty();
            assert_eq!(covers, expected, "{whole} {uri}");
        }
    }
}
