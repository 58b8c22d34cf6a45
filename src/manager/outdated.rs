//! Ending connections that are not what the configuration says any more.

use std::sync::Arc;

use url::Url;

use super::key::Key;
use super::slot::Slot;
use super::state::Manager;
use crate::connection::{Event, Parting, Recipe};
use crate::network::{NetworkRules, Policy};
use crate::server_config::Transport;

/// What connections are held against.
pub struct Outdated<'a> {
    /// Servers that are not configured any more.
    pub removed: &'a [String],
    /// Servers that are configured otherwise.
    pub changed: &'a [String],
    /// What connections may reach now.
    pub rules: &'a NetworkRules,
}

enum Fate {
    Stays,
    /// It ends with the last call that uses it. Later calls make another.
    Retires,
    /// Now, and the calls that use it fail.
    Ends,
}

impl Outdated<'_> {
    fn fate(&self, recipe: &Recipe) -> Fate {
        if let Transport::Http { url, .. } = &recipe.config.transport
            && !self.has_rules_of(recipe)
        {
            return if self.allows(recipe, url) {
                Fate::Retires
            } else {
                Fate::Ends
            };
        }
        if self.changed.contains(&recipe.server_name) {
            return Fate::Retires;
        }
        Fate::Stays
    }

    /// The TLS in a recipe's rules is the server's own.
    fn has_rules_of(&self, recipe: &Recipe) -> bool {
        let (now, before) = (self.rules, &recipe.rules);
        now.ssrf_protection == before.ssrf_protection
            && now.allowed_domains == before.allowed_domains
            && now.allowed_addresses == before.allowed_addresses
    }

    /// What a name resolves to is judged when a connection is made the next time.
    fn allows(&self, recipe: &Recipe, url: &Url) -> bool {
        let policy = Policy::new(self.rules, &recipe.environment, recipe.config.proxy());
        policy.is_ok_and(|policy| policy.check_url(url).is_ok())
    }
}

impl Manager {
    /// Ends the connections of all users to servers that were removed, and to what the rules allow no more; the others that
    /// are outdated end when nobody uses them. Nobody waits for it but the runtime when it closes.
    pub fn end_outdated(&self, outdated: &Outdated<'_>) {
        let is_removed = |key: &Key| outdated.removed.iter().any(|it| **it == *key.server_name);
        let mut removed = Vec::<Key>::new();
        let (mut ending, mut retiring) = (Vec::<Arc<Slot>>::new(), Vec::<Arc<Slot>>::new());
        let mut pool = self.0.pool.lock();
        let on_their_way = pool.attempts.keys().chain(pool.reconnecting.keys());
        removed.extend(on_their_way.filter(|key| is_removed(key)).cloned());
        for (key, slot) in &pool.slots {
            if is_removed(key) {
                removed.push(key.clone());
                continue;
            }
            match outdated.fate(&slot.connection.recipe) {
                Fate::Stays => {}
                Fate::Retires => retiring.push(Arc::clone(slot)),
                Fate::Ends => ending.push(Arc::clone(slot)),
            }
        }
        // At once, so that what is ended is not what another call makes meanwhile.
        ending.retain(|slot| pool.remove(slot));
        drop(pool);
        for slot in retiring {
            self.discard(&slot, Parting::Over);
        }
        for slot in ending {
            let manager = self.clone();
            self.spawn(async move {
                manager.tell(&slot.key, Event::Closed);
                manager.end(&slot, Parting::Over).await;
                manager.retire(&slot, Parting::Over);
            });
        }
        for key in removed {
            let manager = self.clone();
            self.spawn(async move { manager.disconnect(&key).await });
        }
    }

    /// Forgets how connecting to servers failed: they are others now. What processes count together stays.
    pub fn forget_failures(&self, server_names: &[String]) {
        let mut blocked = Vec::new();
        self.0.breakers.blocked(|key, _| {
            if server_names.iter().any(|it| **it == *key.server_name) {
                blocked.push(key.clone());
            }
        });
        for key in blocked {
            self.0.breakers.clear(&key);
        }
        for name in server_names {
            self.0.failures.remove(name.as_str());
        }
    }
}
