//! What must hold, and the exceptions that are really there.

use stateright::{Checker, Expectation, Model, Path, Property};

use crate::fleet::{Fleet, Guard};
use crate::model::Action;
use crate::step::{Ended, Step};
use crate::world::{World, excuse};

pub const ONE_STORED: &str = "of the results of one refresh token at most one is stored";
pub const USED_ONCE: &str = "no refresh token is used twice";
pub const NOT_LOST: &str = "a usable token stays in the store";
pub const NOT_MIXED: &str = "tokens and clients of different sets are never used together";
pub const ENDS: &str = "nobody waits for ever";
pub const ASKED_WITH_REASON: &str = "the user is asked only with a reason";
pub const NOT_NEEDLESS: &str = "what another process has refreshed is not refreshed again";
pub const LOGIN_GOES: &str = "what was given up keeps no login out";
pub const TORN_DOWN: &str = "nothing of before a teardown is stored after it";

/// By what a token may be lost, each by itself.
/// The last one takes three processes.
pub const LOST_BY: [(u16, &str); 9] = [
    (
        excuse::CRASHED,
        "lost: a process died before its last row was stored",
    ),
    (excuse::ANSWER_LOST, "lost: an answer was given up"),
    (
        excuse::OVERSLEPT,
        "lost: a process slept past its lock with a request under way",
    ),
    (
        excuse::FENCE_KEPT,
        "lost: the fence was kept from who had an answer",
    ),
    (excuse::NOT_APART, "lost: nothing keeps the processes apart"),
    (excuse::TORN_DOWN, "lost: the user has logged out"),
    (
        excuse::LOGIN_REFUSED,
        "lost: a login met another writer, and its user has to log in again",
    ),
    (
        excuse::USED_UP,
        "lost: a refresh of before a logout used up the login of after it",
    ),
    (
        excuse::GIVEN_UP,
        "lost: a reader gave up on a slow writer while another refreshed",
    ),
];

fn is_lost(world: &World) -> bool {
    world.is_over() && !world.is_usable()
}

fn lost_by<const AT: usize>(_: &Fleet, world: &World) -> bool {
    is_lost(world) && world.excuses == LOST_BY[AT].0
}

pub fn all() -> Vec<Property<Fleet>> {
    let mut properties = vec![
        Property::always(ONE_STORED, |_, world: &World| {
            let parents = world.parents.iter().enumerate();
            let mut stored = parents.filter(|(token, _)| world.stored & (1 << token) != 0);
            let mut seen = 0_u8;
            stored.all(|(_, parent)| {
                let bit = parent.map_or(0, |parent| 1 << parent);
                let is_first = seen & bit == 0;
                seen |= bit;
                is_first
            })
        }),
        Property::always(USED_ONCE, |_, world: &World| {
            !world.faults.used_twice || world.all_excuses != 0
        }),
        Property::always(NOT_LOST, |_, world: &World| {
            !is_lost(world) || world.excuses != 0
        }),
        Property::always(NOT_MIXED, |_, world: &World| !world.faults.mixed),
        Property::always(ENDS, |fleet: &Fleet, world: &World| {
            let mut actions = Vec::new();
            world.is_over() || {
                fleet.actions(world, &mut actions);
                !actions.is_empty()
            }
        }),
        Property::always(ASKED_WITH_REASON, |_, world: &World| {
            !world.faults.asked_for_nothing
        }),
        Property::always(NOT_NEEDLESS, |_, world: &World| {
            !world.faults.refreshed_good
        }),
        Property::always(LOGIN_GOES, |_, world: &World| !world.faults.kept_out),
        Property::always(TORN_DOWN, |fleet: &Fleet, world: &World| {
            let rows = [world.refresh, world.client];
            let mut all = rows.into_iter().flatten();
            let is_kept =
                fleet.guard == Guard::Leases && world.all_excuses & excuse::OVERSLEPT == 0;
            !world.is_over() || !is_kept || all.all(|row| world.login_of(row) >= world.torn_down)
        }),
        Property::sometimes(
            "somebody ends with a refreshed token",
            |_, world: &World| {
                let refreshed = |it: &Step| matches!(it, Step::Ended(Ended::Token(1..)));
                world.processes.iter().any(|it| refreshed(&it.step))
            },
        ),
    ];
    let conditions = [
        lost_by::<0>,
        lost_by::<1>,
        lost_by::<2>,
        lost_by::<3>,
        lost_by::<4>,
        lost_by::<5>,
        lost_by::<6>,
        lost_by::<7>,
        lost_by::<8>,
    ];
    let named = LOST_BY.into_iter().zip(conditions);
    properties.extend(named.map(|((_, name), condition)| Property::sometimes(name, condition)));
    properties
}

/// Properties that do not hold, with the way there.
pub fn failures(checker: &impl Checker<Fleet>) -> Vec<(&'static str, Path<World, Action>)> {
    let is_always = |property: &Property<Fleet>| property.expectation == Expectation::Always;
    let names = all().into_iter().filter(is_always).map(|it| it.name);
    names
        .filter_map(|name| Some((name, checker.discovery(name)?)))
        .collect()
}
