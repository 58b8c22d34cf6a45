//! Requests whose results are cached, and what ends the lifetime of these.

use std::sync::atomic::Ordering;

use serde_json::value::RawValue;

use super::caching::{Caching, Hints, Lists, Lookup, READ};
use super::engine::Engine;
use super::established::Connection;
use super::options::CallOptions;
use super::recipe::Recipe;
use crate::error::Result;
use crate::transport::message::Params;

impl Engine {
    pub(super) fn cache_for(&self, recipe: &Recipe) {
        self.caching.get_or_init(|| Box::new(Caching::new(recipe)));
    }

    /// The server has announced other lists than those that are known.
    pub(super) fn expire(&self, lists: Lists) {
        if let Some(caching) = self.caching.get() {
            for method in lists.methods() {
                caching.expire(method, "");
            }
        }
    }

    pub(super) fn expire_lists(&self) {
        for lists in Lists::ALL {
            self.expire(lists);
        }
    }

    pub(super) fn expire_read(&self, uri: &str) {
        if let Some(caching) = self.caching.get() {
            caching.expire(READ, uri);
        }
    }

    pub(super) fn note_round(&self) {
        if let Some(caching) = self.caching.get() {
            caching.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Connection {
    /// Where the result of a request may be found. What a call sends headers of its own with may be another's.
    pub(super) fn caching(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Option<Lookup> {
        let caching = self.session.engine().caching.get()?;
        if options.headers.is_some() {
            return None;
        }
        caching.lookup(method, params)
    }

    /// [`Self::request`], unless what it asks for is known and still valid.
    pub(super) async fn cached(
        &self,
        lookup: Lookup,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let engine = self.session.engine();
        let Some(caching) = engine.caching.get() else {
            return self.ask(method, params, options).await;
        };
        let Lookup {
            cursor,
            private,
            public,
        } = lookup;
        let cursor = cursor.as_deref();
        let keys = [private, public];
        let places = keys.map(|key| caching.results.place(key));
        if let Some(known) = places.iter().find_map(|place| place.fresh(cursor)) {
            if method == "tools/list" {
                // What its calls send as headers was noted on the connection that asked.
                engine.param_headers.note(&known);
            }
            return Ok(known);
        }
        let (rounds, token) = (caching.rounds.load(Ordering::Relaxed), caching.bearer.get());
        let answer = self.ask(method, params, options).await;
        let mut hints = answer.as_ref().ok().and_then(|answer| Hints::of(answer));
        // Answers to what the server wanted to know first are no part of the key; nor does the answer to one token serve
        // another.
        if rounds != caching.rounds.load(Ordering::Relaxed) || token != caching.bearer.get() {
            hints = None;
        }
        for ((key, place), is_public) in keys.into_iter().zip(&places).zip([false, true]) {
            let pages = hints
                .filter(|(_, it)| *it == is_public)
                .zip(answer.as_ref().ok());
            let pages = pages.and_then(|((left, _), text)| place.with(cursor, text, left));
            caching.results.keep(key, place, pages);
        }
        let is_refused = answer.as_ref().is_err_and(|it| it.rpc_code.is_some());
        if is_refused && cursor.is_some() {
            // The server may not know the cursor any more: the list begins anew.
            for key in &keys {
                caching.results.forget(key);
            }
        }
        answer
    }
}
