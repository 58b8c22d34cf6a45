//! Results that a server says are still valid (MCP 2026-07-28, chapter "Caching"; SEP-2549): they are not asked for again.
//!
//! A `private` result serves the connection that it came over, and only with the token that it was asked for with. A
//! `public` one serves all connections of the same config to the same address, as the specification allows. A list is
//! valid for as long as each page of it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::recipe::Recipe;
use super::result_cache::ResultCache;
use crate::digest::{Digest, Parts};
use crate::transport::Bearer;
use crate::transport::message::Params;

/// How long a result is believed to be valid at the most.
const LONGEST: Duration = Duration::from_hours(24);

pub(super) const READ: &str = "resources/read";

/// The lists that one notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Tools,
    Resources,
    Prompts,
}

impl Lists {
    pub const ALL: [Self; 3] = [Self::Tools, Self::Resources, Self::Prompts];

    pub const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Tools => &["tools/list"],
            Self::Resources => &["resources/list", "resources/templates/list"],
            Self::Prompts => &["prompts/list"],
        }
    }
}

/// What a connection knows of the cache.
pub(super) struct Caching {
    pub results: ResultCache,
    /// No other connection of the process has it.
    number: u64,
    /// Whom public results of the server serve.
    public: Digest,
    pub bearer: Bearer,
    /// How often a request was sent once more with answers to what the server wanted to know.
    pub rounds: AtomicU64,
}

/// One request whose result may be cached.
pub(super) struct Lookup {
    pub cursor: Option<String>,
    pub private: Digest,
    pub public: Digest,
}

impl Caching {
    pub fn new(recipe: &Recipe) -> Self {
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

    pub fn expire(&self, method: &str, uri: &str) {
        self.results.forget(&self.private(method, uri));
        self.results.forget(&self.public(method, uri));
    }

    /// `None` for a request whose result is not cached, or depends on more than is known here.
    pub fn lookup(&self, method: &str, params: Params<'_>) -> Option<Lookup> {
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
pub(super) struct Hints<'a> {
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
    pub fn of(result: &RawValue) -> Option<(Duration, bool)> {
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

#[cfg(test)]
mod tests;
