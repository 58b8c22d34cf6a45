//! The calls of one server: those under way, those that wait, and whose is the next.
//!
//! Places go to users in turn. What counts is how long the calls of a user have held places (start-time fair queueing, with
//! the time that calls really take in place of what they announce). `clock` runs as this time of an average user does, and a
//! user who comes begins there: who had no calls has no credit, and who has none left has no debt.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::oneshot::Sender;
use tokio::time::Instant;

use super::window::Window;
use crate::error::Result;
use crate::server_config::CallLimits;
use crate::telemetry::Queued;

/// A call, as its queue knows it.
#[derive(Clone)]
pub(super) struct Call {
    pub user: Arc<str>,
    /// Until when it waits.
    pub due: Instant,
    pub number: u64,
    pub since: Instant,
    pub weight: f64,
    /// The rates have counted it already: it is made again.
    pub is_counted: bool,
}

pub(super) struct Waiter {
    pub call: Call,
    /// Hears since when the call has a place.
    pub reply: Sender<Result<Instant>>,
}

/// A user with calls.
struct User {
    running: u32,
    /// Those that wait, by when they are due.
    waiting: BTreeMap<(Instant, u64), Waiter>,
    /// Seconds for which calls have held places up to `at`, those of a call of weight 2 counted half.
    used: f64,
    /// How many of these a second adds now.
    speed: f64,
    at: Instant,
}

impl User {
    fn new(clock: f64, now: Instant) -> Self {
        Self {
            running: 0,
            waiting: BTreeMap::new(),
            used: clock,
            speed: 0.0,
            at: now,
        }
    }

    fn advance(&mut self, now: Instant) {
        self.used += self.speed * (now - self.at).as_secs_f64();
        self.at = now;
    }

    fn is_done(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

pub(super) struct Queue {
    pub limits: CallLimits,
    pub running: u32,
    pub waiting: usize,
    users: HashMap<Arc<str>, User>,
    /// Of `perUser`.
    windows: HashMap<Arc<str>, Window>,
    /// How many there are when those that are over are forgotten next.
    most_windows: usize,
    /// Of `perServer`.
    window: Window,
    /// Has those that wait look anew when a window is closed.
    pub closed: Arc<Notify>,
    clock: f64,
    speed: f64,
    at: Instant,
    /// Seconds for which a call holds its place, of the latest ones.
    held: Option<f64>,
}

/// Windows that are not worth a look.
const FEW_WINDOWS: usize = 64;
/// Calls that wait at a server where the limits do not say.
const QUEUE: u32 = 100;

/// Places that are only for users who hold none: a quarter of all, so that the call of somebody else starts at once.
fn kept_free(places: u32) -> u32 {
    if places < 2 { 0 } else { places.div_ceil(4) }
}

impl Queue {
    pub fn new(limits: &CallLimits, now: Instant) -> Self {
        Self {
            limits: limits.clone(),
            running: 0,
            waiting: 0,
            users: HashMap::new(),
            windows: HashMap::new(),
            most_windows: FEW_WINDOWS,
            window: Window::default(),
            closed: Arc::default(),
            clock: 0.0,
            speed: 0.0,
            at: now,
            held: None,
        }
    }

    /// Nothing would be lost with it.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.users.is_empty() && self.windows.is_empty() && self.window.is_over(now)
    }

    /// Forgets the users whose periods are over.
    pub fn tidy(&mut self, now: Instant) {
        self.windows.retain(|_, window| !window.is_over(now));
    }

    #[allow(clippy::cast_precision_loss)]
    fn advance(&mut self, now: Instant) {
        if !self.users.is_empty() {
            let passed = (now - self.at).as_secs_f64();
            self.clock += self.speed * passed / self.users.len() as f64;
        }
        self.at = now;
    }

    pub fn push(&mut self, waiter: Waiter, now: Instant) {
        self.advance(now);
        let clock = self.clock;
        let user = self.users.entry(Arc::clone(&waiter.call.user));
        let user = user.or_insert_with(|| User::new(clock, now));
        let key = (waiter.call.due, waiter.call.number);
        user.waiting.insert(key, waiter);
        self.waiting += 1;
    }

    /// Takes a call out that waits no more.
    pub fn take(&mut self, call: &Call, now: Instant) -> Option<Waiter> {
        self.advance(now);
        let user = self.users.get_mut(&call.user)?;
        let waiter = user.waiting.remove(&(call.due, call.number))?;
        self.waiting -= 1;
        if user.is_done() {
            self.users.remove(&call.user);
        }
        Some(waiter)
    }

    /// The call that gets a place now, which it holds from then on.
    pub fn next(&mut self, now: Instant) -> Option<Waiter> {
        if self.waiting == 0 {
            return None;
        }
        self.advance(now);
        let places = self.limits.concurrency.unwrap_or(u32::MAX);
        let free = places.saturating_sub(self.running);
        if free == 0 {
            return None;
        }
        let is_scarce = free <= kept_free(places);
        let is_open = self.window.is_open(self.limits.per_server, now);
        let (rate, clock) = (self.limits.per_user, self.clock);
        let mut best: Option<(f64, u64, &Arc<str>)> = None;
        for (name, user) in &mut self.users {
            user.advance(now);
            let Some(first) = user.waiting.values().next() else {
                continue;
            };
            let window = self.windows.get(name);
            let may = is_open && window.is_none_or(|window| window.is_open(rate, now));
            if !may && !first.call.is_counted {
                // Who waits for a rate collects no credit.
                user.used = user.used.max(clock);
                continue;
            }
            if is_scarce && user.running > 0 {
                continue;
            }
            let number = first.call.number;
            let is_next = best.is_none_or(|(used, before, _)| {
                user.used < used || (user.used <= used && number < before)
            });
            if is_next {
                best = Some((user.used, number, name));
            }
        }
        let name = Arc::clone(best?.2);
        self.begin(&name, now)
    }

    /// Gives a place to the call of a user that is due first.
    fn begin(&mut self, name: &Arc<str>, now: Instant) -> Option<Waiter> {
        let user = self.users.get_mut(name)?;
        let (_, waiter) = user.waiting.pop_first()?;
        let speed = 1.0 / waiter.call.weight;
        user.running += 1;
        user.speed += speed;
        self.waiting -= 1;
        self.running += 1;
        self.speed += speed;
        if !waiter.call.is_counted {
            self.count(name, now);
        }
        Some(waiter)
    }

    fn count(&mut self, name: &Arc<str>, now: Instant) {
        self.window.count(self.limits.per_server, now);
        if self.limits.per_user.is_none() {
            return;
        }
        if self.windows.len() >= self.most_windows {
            self.tidy(now);
            self.most_windows = FEW_WINDOWS.max(2 * self.windows.len());
        }
        let window = self.windows.entry(Arc::clone(name)).or_default();
        window.count(self.limits.per_user, now);
    }

    /// Takes the place of a call back that has held it since then.
    pub fn end(&mut self, call: &Call, started: Instant, now: Instant) {
        self.advance(now);
        let speed = 1.0 / call.weight;
        self.running -= 1;
        // What sums leave behind is no speed.
        self.speed = if self.running == 0 {
            0.0
        } else {
            self.speed - speed
        };
        let held = (now - started).as_secs_f64();
        let before = self.held.unwrap_or(held);
        self.held = Some(before + (held - before) / 8.0);
        let Some(user) = self.users.get_mut(&call.user) else {
            return;
        };
        user.advance(now);
        user.running -= 1;
        user.speed = if user.running == 0 {
            0.0
        } else {
            user.speed - speed
        };
        if user.is_done() {
            self.users.remove(&call.user);
        }
    }

    /// Takes back what the rates have counted for a call that is not made after all.
    pub fn uncount(&mut self, call: &Call) {
        if call.is_counted {
            return;
        }
        self.window.uncount();
        if let Some(window) = self.windows.get_mut(&call.user) {
            window.uncount();
        }
    }

    /// Gives no place until then: to this user, or to anybody.
    pub fn close(&mut self, user: Option<&Arc<str>>, until: Instant) {
        match user {
            Some(name) => {
                let window = self.windows.entry(Arc::clone(name)).or_default();
                window.close(until);
            }
            None => self.window.close(until),
        }
        self.closed.notify_waiters();
    }

    /// The call that waits no more because too many do. It is of the user with most calls that wait, and the last due of
    /// these; and the newcomer itself where its user has as many.
    pub fn surplus(&mut self, newcomer: &Call, now: Instant) -> Option<Waiter> {
        let most = self.limits.queue.unwrap_or(QUEUE);
        if u32::try_from(self.waiting).is_ok_and(|waiting| waiting <= most) {
            return None;
        }
        let own = self.users.get(&newcomer.user)?.waiting.len();
        let users = self.users.values();
        let longest = users.max_by_key(|user| user.waiting.len())?;
        let out = match longest.waiting.values().next_back() {
            Some(last) if longest.waiting.len() > own => last.call.clone(),
            _ => newcomer.clone(),
        };
        self.take(&out, now)
    }

    fn windows_of(&self, name: &str) -> (Window, Window) {
        let own = self.windows.get(name).copied();
        (own.unwrap_or_default(), self.window)
    }

    /// When the rates allow a call, if those of its user come before it that are due earlier. Others may come before it, too.
    pub fn earliest(&self, call: &Call, now: Instant) -> Instant {
        let (own, all) = self.earliest_of_each(call, now);
        own.max(all)
    }

    /// The same by the rate of the call's user, and by that of all.
    pub fn earliest_of_each(&self, call: &Call, now: Instant) -> (Instant, Instant) {
        let (own, all) = self.windows_of(&call.user);
        let key = (call.due, call.number);
        let user = self.users.get(&call.user);
        let before = user.map_or(0, |user| user.waiting.range(..key).count());
        let own = own.earliest(self.limits.per_user, before, now);
        (own, all.earliest(self.limits.per_server, before, now))
    }

    /// Whether the rate of the call's user is what it waits for, or else that of all.
    pub fn waits_for_user(&self, name: &str, now: Instant) -> Option<bool> {
        let (own, all) = self.windows_of(name);
        if !own.is_open(self.limits.per_user, now) {
            return Some(true);
        }
        (!all.is_open(self.limits.per_server, now)).then_some(false)
    }

    /// When a call that waits has to look whether a rate allows it.
    pub fn look_again(&self, name: &str, now: Instant) -> Option<Instant> {
        let (own, all) = self.windows_of(name);
        let own = own.look_again(self.limits.per_user, now);
        let all = all.look_again(self.limits.per_server, now);
        own.into_iter().chain(all).min()
    }

    /// How long another call of the user would wait, as far as that can be told: as long as those that wait now take in the
    /// places that there are, and until the rates allow it.
    #[allow(clippy::cast_precision_loss)]
    pub fn pause(&self, call: &Call, now: Instant) -> Duration {
        let by_rates = self.earliest(call, now) - now;
        let Some(places) = self.limits.concurrency else {
            return by_rates;
        };
        let ahead = (self.waiting + 1) as f64 / f64::from(places.max(1));
        let seconds = (ahead * self.held.unwrap_or(1.0)).min(86_400.0);
        by_rates.max(Duration::from_secs_f64(seconds))
    }

    /// What there is at the moment.
    pub fn now(&self, now: Instant) -> Queued {
        let waiting = self.users.values().flat_map(|user| user.waiting.values());
        let oldest = waiting.map(|waiter| now - waiter.call.since).max();
        Queued {
            running: u64::from(self.running),
            waiting: self.waiting as u64,
            users: self.users.len() as u64,
            oldest: oldest.unwrap_or_default(),
        }
    }
}
