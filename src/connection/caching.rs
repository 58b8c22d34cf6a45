//! Results that a server says are still valid (MCP 2026-07-28, chapter "Caching"; SEP-2549): they are not asked for again.
//!
//! A `private` result serves the connection that it came over, and only with the token that it was asked for with. A
//! `public` one serves all connections of the same config to the same address, as the specification allows. A list is
//! valid for as long as each page of it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::engine::Engine;
use super::established::Connection;
use super::options::CallOptions;
use super::recipe::Recipe;
use super::result_cache::ResultCache;
use crate::digest::{Digest, Parts};
use crate::error::Result;
use crate::transport::Bearer;
use crate::transport::message::Params;

/// How long a result is believed to be valid at the most.
const LONGEST: Duration = Duration::from_hours(24);

const READ: &str = "resources/read";

/// The lists that one notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Tools,
    Resources,
    Prompts,
}

impl Lists {
    const ALL: [Self; 3] = [Self::Tools, Self::Resources, Self::Prompts];

    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Tools => &["tools/list"],
            Self::Resources => &["resources/list", "resources/templates/list"],
            Self::Prompts => &["prompts/list"],
        }
    }
}

/// What a connection knows of the cache.
pub(super) struct Caching {
    results: ResultCache,
    /// No other connection of the process has it.
    number: u64,
    /// Whom public results of the server serve.
    public: Digest,
    bearer: Bearer,
    /// How often a request was sent once more with answers to what the server wanted to know.
    rounds: AtomicU64,
}

/// One request whose result may be cached.
pub(super) struct Lookup {
    cursor: Option<String>,
    private: Digest,
    public: Digest,
}

impl Caching {
    fn new(recipe: &Recipe) -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        let mut public = Parts::of("librechat-mcp-native public results v1");
        public.add(recipe.template.to_text());
        public.add(recipe.config.endpoint());
        Self {
            results: recipe.results.clone(),
            number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            public: public.digest(),
            bearer: recipe.bearer.clone(),
            rounds: AtomicU64::new(0),
        }
    }

    fn public(&self, method: &str, uri: &str) -> Digest {
        let mut parts = Parts::of("public");
        parts.add(self.public);
        parts.add(method);
        parts.add(uri);
        parts.digest()
    }

    fn private(&self, method: &str, uri: &str) -> Digest {
        let mut parts = Parts::of("private");
        parts.add(self.number.to_be_bytes());
        if let Some(token) = self.bearer.get() {
            parts.add(token.expose());
        }
        parts.add(method);
        parts.add(uri);
        parts.digest()
    }

    fn expire(&self, method: &str, uri: &str) {
        self.results.forget(&self.private(method, uri));
        self.results.forget(&self.public(method, uri));
    }

    /// `None` for a request whose result is not cached, or depends on more than is known here.
    fn lookup(&self, method: &str, params: Params<'_>) -> Option<Lookup> {
        let lists = Lists::ALL.iter().flat_map(|lists| lists.methods());
        let about = if method == READ { "uri" } else { "cursor" };
        if method != READ && !lists.into_iter().any(|list| *list == method) {
            return None;
        }
        let members = params.members().ok()?;
        let value = match members.len() {
            0 => None,
            1 => Some(members.get(about)?.as_str()?),
            _ => return None,
        };
        let (uri, cursor) = if method == READ {
            (value?, None)
        } else {
            ("", value)
        };
        Some(Lookup {
            cursor: cursor.map(str::to_owned),
            private: self.private(method, uri),
            public: self.public(method, uri),
        })
    }
}

/// `CacheableResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hints<'a> {
    #[serde(borrow, default)]
    result_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ttl_ms: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_scope: Option<&'a RawValue>,
}

impl Hints<'_> {
    /// How long the result is valid, and whether it is for everybody. `None` for one that is out of date at once, which
    /// is what any other lifetime than a whole number of milliseconds means, and for one that is no result yet.
    fn of(result: &RawValue) -> Option<(Duration, bool)> {
        let hints: Hints<'_> = serde_json::from_str(result.get()).ok()?;
        let is = |value: Option<&RawValue>, text| value.is_some_and(|it| it.get() == text);
        if hints.result_type.is_some() && !is(hints.result_type, r#""complete""#) {
            return None;
        }
        let milliseconds: u64 = hints.ttl_ms?.get().parse().ok()?;
        let lifetime = Duration::from_millis(milliseconds).min(LONGEST);
        let is_public = is(hints.cache_scope, r#""public""#);
        (!lifetime.is_zero()).then_some((lifetime, is_public))
    }
}

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
        if answer.is_err() && cursor.is_some() {
            // The server may not know the cursor any more: the list begins anew.
            for key in &keys {
                caching.results.forget(key);
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests;
