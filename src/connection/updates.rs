//! What becomes of subscriptions: what is asked of the server, and which of its notifications are heard.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::established::Connection;
use super::failures::{gone, unanswered};
use super::generation::Generation;
use super::options::CallOptions;
use super::session::Session;
use super::subscriptions::{Filter, LONGEST_URI, unsupported};
use crate::background;
use crate::error::Result;
use crate::foreign_text::foreign_error;
use crate::transport::message::{AnswerTo, Params};

/// How long a server may take to answer a new session's `resources/subscribe`.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) const SET_LEVEL: &str = "logging/setLevel";
const SUBSCRIBE: &str = "resources/subscribe";

/// What is read of a notification about changes.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "_meta", borrow, default)]
    meta: Option<ToldMeta<'a>>,
    #[serde(borrow, default)]
    uri: Option<Cow<'a, str>>,
    #[serde(default)]
    notifications: Option<Filter>,
}

#[derive(Deserialize)]
struct ToldMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/subscriptionId", borrow, default)]
    subscription: Option<&'a RawValue>,
}

impl Told<'_> {
    fn read(params: Option<&RawValue>) -> Option<Told<'_>> {
        serde_json::from_str(params?.get()).ok()
    }

    /// The request whose subscription it belongs to; an id that we never give is nobody's.
    fn subscription(&self) -> Option<u64> {
        let id = self.meta.as_ref()?.subscription?;
        let id = serde_json::from_str(id.get()).unwrap_or_default();
        AnswerTo::of(&id).map(|to| to.ours().unwrap_or(u64::MAX))
    }
}

impl Engine {
    /// Whether a notification about changes may be believed. Servers with sessions tell them to whoever is there; since
    /// 2026-07-28 each names the one subscription that it belongs to, whatever stream it comes on.
    pub(super) fn is_heard(&self, method: &str, params: Option<&RawValue>) -> bool {
        if !self.is_stateless() {
            return true;
        }
        let id = Told::read(params).and_then(|told| told.subscription());
        let heard = self.subscriptions.get().zip(id);
        heard.is_some_and(|(subscriptions, id)| subscriptions.hears(method, id))
    }

    pub(super) fn is_stateless(&self) -> bool {
        let described = self.described();
        described.is_some_and(|it| it.generation() == Generation::Discover)
    }

    /// `notifications/subscriptions/acknowledged`.
    pub(super) fn acknowledged(&self, params: Option<&RawValue>, during: Option<u64>) {
        let (Some(subscriptions), Some(told)) = (self.subscriptions.get(), Told::read(params))
        else {
            return;
        };
        let agreed = told.notifications.clone().unwrap_or_default();
        if let Some(id) = told.subscription().or(during)
            && subscriptions.acknowledge(id, &agreed)
        {
            // A list of before may be out of date.
            self.expire_lists();
        }
    }

    /// `notifications/resources/updated`, of a resource that was subscribed to, or of a part of one.
    pub(super) fn updated(&self, params: Option<&RawValue>) {
        let uri = Told::read(params).and_then(|told| told.uri);
        let (Some(subscriptions), Some(uri)) = (self.subscriptions.get(), uri) else {
            return;
        };
        let subscribed = subscriptions.subscribed(&uri);
        if subscribed.is_empty() || uri.len() > LONGEST_URI {
            return;
        }
        for uri in subscribed.iter().map(String::as_str).chain([&*uri]) {
            self.expire_read(uri);
        }
        if let Some(observer) = &self.client.observer {
            observer.resource_updated(&uri);
        }
    }

    /// A session has begun: what is wanted of the server is asked for, and asked for once more where it was before.
    pub(super) fn subscribe_again(&self) {
        if self.is_stateless() {
            return self.listen_to_changes();
        }
        let Some(subscriptions) = self.subscriptions.get() else {
            return;
        };
        let (engine, life) = (self.handle(), self.life.clone());
        let engine = engine.as_ref().map(Arc::downgrade).unwrap_or_default();
        let level = subscriptions.level.lock().clone();
        let level = level.map(|params| (SET_LEVEL, params));
        let uris = subscriptions.uris().into_iter();
        let wanted = uris.map(|uri| (SUBSCRIBE, json!({ "uri": uri })));
        let renewing = async move {
            for (method, params) in level.into_iter().chain(wanted) {
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                let cancel = CancellationToken::new();
                let options = CallOptions::new(Instant::now() + RENEWAL_TIMEOUT, cancel);
                let logger = engine.client.logger.clone();
                let asked = Session::from(engine);
                let asked = asked.request(method, Some(&params).into(), &options);
                if let Err(error) = asked.await {
                    logger.warn(format!(
                        "The new session has refused {method}, which the one before has taken: {error}"
                    ));
                }
            }
        };
        background::spawn(async move { life.run_until_cancelled(renewing).await });
    }
}

impl Connection {
    /// Has the server tell when a resource changes, which [`Observer::resource_updated`](super::Observer) hears. Sessions
    /// that take the place of this one are subscribed as well. A second subscription to the same resource is the first.
    ///
    /// # Errors
    /// As [`Self::request`]; [`Code::ServerError`](crate::error::Code::ServerError) for a server without subscriptions, or
    /// that does not agree to this one; [`Code::InvalidArgument`](crate::error::Code::InvalidArgument) for a URI of more
    /// than 8 KiB, and for more than 1,024 resources.
    pub async fn subscribe(&self, uri: &str, options: &CallOptions) -> Result<()> {
        let described = self.described()?;
        let resources = described.capabilities.resources.as_ref();
        if resources.and_then(|it| it.subscribe) != Some(true) {
            return Err(unsupported());
        }
        let engine = self.session.engine();
        let subscriptions = Arc::clone(engine.subscriptions.get_or_init(Arc::default));
        let is_first = subscriptions.add(uri)?;
        let outcome = match self.generation {
            Generation::Initialize => {
                let params = json!({ "uri": uri });
                let asked = self.request(SUBSCRIBE, Some(&params), options);
                asked.await.map(drop)
            }
            Generation::Discover => {
                engine.listen_to_changes();
                let settled = async {
                    tokio::select! {
                        () = engine.life.cancelled() => Err(gone()),
                        settled = subscriptions.settles(uri) => settled,
                    }
                };
                let outcome = options.bound_by(settled, unanswered).await;
                outcome.map_err(|error| foreign_error(error, &self.recipe.sent_secrets(None, None)))
            }
        };
        if outcome.is_err() && is_first {
            subscriptions.remove(uri);
            subscriptions.changed.notify_one();
        }
        outcome
    }

    /// Has sessions that take the place of this one given the logging level that it has taken.
    pub(super) fn keep_level(&self, params: Params<'_>) -> Result<()> {
        let members = params.members()?.into_owned();
        let subscriptions = self
            .session
            .engine()
            .subscriptions
            .get_or_init(Arc::default);
        *subscriptions.level.lock() = Some(Value::Object(members));
        Ok(())
    }

    /// Ends a subscription. What the server still tells of it is not heard.
    ///
    /// # Errors
    /// As [`Self::request`]; the subscription is over all the same.
    pub async fn unsubscribe(&self, uri: &str, options: &CallOptions) -> Result<()> {
        let Some(subscriptions) = self.session.engine().subscriptions.get() else {
            return Ok(());
        };
        subscriptions.remove(uri);
        match self.generation {
            Generation::Initialize => {
                let params = json!({ "uri": uri });
                let asked = self.request("resources/unsubscribe", Some(&params), options);
                asked.await.map(drop)
            }
            Generation::Discover => {
                subscriptions.changed.notify_one();
                Ok(())
            }
        }
    }
}
