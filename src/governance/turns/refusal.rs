//! What a call is told that does not get its turn.

use tokio::time::Instant;

use super::queue::{Call, Queue};
use super::servers::name_of;
use crate::error::{Code, Error};
use crate::server_config::Rate;

fn refused(message: String, queue: &Queue, call: &Call, now: Instant) -> Error {
    let pause = queue.pause(call, now);
    Error::new(Code::RateLimited, message).with_retry_after(pause)
}

/// What the calls of a server wait for.
fn state(queue: &Queue) -> String {
    let (running, waiting) = (queue.running, queue.waiting);
    let places = queue.limits.concurrency;
    let of = places.map_or(String::new(), |all| {
        format!(" of {all} (limits.concurrency)")
    });
    format!("{running}{of} are under way and {waiting} wait")
}

fn rate(queue: &Queue, is_user: bool) -> String {
    let (name, rate) = if is_user {
        ("perUser", queue.limits.per_user)
    } else {
        ("perServer", queue.limits.per_server)
    };
    let whose = if is_user { "one user's" } else { "all users'" };
    match rate {
        Some(Rate { calls, per }) => {
            let seconds = per.as_secs();
            format!("{calls} of {whose} calls are made in {seconds} s (limits.{name})")
        }
        None => format!("{whose} calls wait for those of other processes"),
    }
}

/// A rate does not allow the call before it is due.
pub(super) fn by_rate(server: &str, queue: &Queue, call: &Call, now: Instant) -> Error {
    let (own, all) = queue.earliest_of_each(call, now);
    let (rate, waiting) = (rate(queue, own >= all), queue.waiting);
    let name = name_of(server);
    let message = format!("Too many calls to {name}: {rate}, and {waiting} wait");
    refused(message, queue, call, now)
}

/// Too many calls wait.
pub(super) fn full(
    server: &str,
    queue: &Queue,
    call: &Call,
    is_newcomer: bool,
    now: Instant,
) -> Error {
    let why = if is_newcomer {
        "no more may (limits.queue)"
    } else {
        "this one has made room for that of a user with fewer (limits.queue)"
    };
    let (name, state) = (name_of(server), state(queue));
    let message = format!("Too many calls to {name}: {state}; {why}");
    refused(message, queue, call, now)
}

/// The call has waited as long as it may.
pub(super) fn late(server: &str, queue: Option<&Queue>, call: &Call, now: Instant) -> Error {
    let waited = (now - call.since).as_millis();
    let name = name_of(server);
    let message = format!("The call has waited {waited} ms for its turn at {name}");
    let Some(queue) = queue else {
        return Error::new(Code::RateLimited, message);
    };
    let why = match queue.waits_for_user(&call.user, now) {
        Some(is_user) => rate(queue, is_user),
        None => state(queue),
    };
    refused(format!("{message}: {why}"), queue, call, now)
}
