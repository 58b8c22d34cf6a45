use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use stateright::{Checker, HasDiscoveries, Model};

use crate::fleet::{Budget, Fleet, Guard, Mutant, NOTHING_ELSE, Reuse};
use crate::properties::{
    self, ASKED_WITH_REASON, LOGIN_GOES, NOT_LOST, NOT_MIXED, NOT_NEEDLESS, ONE_STORED, TORN_DOWN,
    USED_ONCE,
};

#[test]
fn every_way_to_keep_two_processes_apart_holds_under_faults() {
    let faults = Budget {
        crashes: 1,
        pauses: 1,
        ..NOTHING_ELSE
    };
    for (name, fleet) in Fleet::all(2, Reuse::Revokes, faults) {
        let checker = fleet.checker().spawn_bfs().join();
        let failures = properties::failures(&checker);
        let failures = failures.iter().map(|(property, _)| *property);
        assert_eq!(failures.collect::<Vec<_>>(), [""; 0], "{name}");
    }
}

/// The property that sees the mistake first, of those that may.
fn caught(mutant: Mutant, by: &'static str, mut fleet: Fleet) {
    let check = |fleet: Fleet| {
        let checker = fleet.checker();
        let checker = checker.finish_when(HasDiscoveries::AnyOf(BTreeSet::from([by])));
        checker.spawn_bfs().join().discovery(by)
    };
    fleet.mutant = Some(mutant);
    assert!(
        check(fleet.clone()).is_some(),
        "{mutant:?} has to break: {by}"
    );
    fleet.mutant = None;
    let found = check(fleet);
    assert!(found.is_none(), "without {mutant:?}: {by}");
}

fn fleet(processes: usize, guard: Guard, budget: Budget) -> Fleet {
    Fleet::new(processes, guard, Reuse::Revokes, budget)
}

const PAUSE: Budget = Budget {
    pauses: 1,
    ..NOTHING_ELSE
};
const LOGIN: Budget = Budget {
    lost_answers: 1,
    logins: 1,
    ..NOTHING_ELSE
};

#[test]
fn who_does_not_read_again_after_the_lock_uses_a_token_twice() {
    caught(
        Mutant::NoReadAgain,
        USED_ONCE,
        fleet(2, Guard::Lock, NOTHING_ELSE),
    );
    caught(
        Mutant::NoReadAgain,
        USED_ONCE,
        fleet(2, Guard::Leases, NOTHING_ELSE),
    );
}

#[test]
fn who_does_not_look_for_other_tokens_refreshes_once_more() {
    caught(
        Mutant::NoLookAfterLock,
        NOT_NEEDLESS,
        fleet(2, Guard::Lock, NOTHING_ELSE),
    );
}

#[test]
fn who_sends_after_the_lock_may_have_ended_uses_a_token_twice() {
    caught(Mutant::NoSendBy, USED_ONCE, fleet(2, Guard::Lock, PAUSE));
    caught(Mutant::NoSendBy, USED_ONCE, fleet(2, Guard::Leases, PAUSE));
}

#[test]
fn who_does_not_compare_rows_stores_two_results_of_one_token() {
    let fleet = Fleet::new(2, Guard::Nothing, Reuse::Accepts, NOTHING_ELSE);
    caught(Mutant::NoCompare, ONE_STORED, fleet);
}

#[test]
fn who_is_beaten_and_leaves_its_rows_spoils_those_of_a_login() {
    caught(Mutant::NoUndo, NOT_LOST, fleet(2, Guard::Lock, LOGIN));
}

#[test]
fn who_puts_back_an_expired_row_spoils_those_of_a_login() {
    caught(Mutant::UndoRevives, NOT_LOST, fleet(2, Guard::Lock, LOGIN));
}

#[test]
fn who_looks_once_stores_a_login_beside_another_access_token() {
    caught(Mutant::NoSecondLook, NOT_LOST, fleet(2, Guard::Lock, LOGIN));
}

#[test]
fn who_releases_without_comparing_lets_two_in() {
    caught(
        Mutant::BlindRelease,
        USED_ONCE,
        fleet(3, Guard::Lock, PAUSE),
    );
}

#[test]
fn who_does_not_compare_sets_mixes_them() {
    caught(
        Mutant::NoSets,
        NOT_MIXED,
        fleet(2, Guard::Lock, NOTHING_ELSE),
    );
}

#[test]
fn who_leaves_half_a_set_keeps_logins_out() {
    let budget = Budget {
        crashes: 1,
        logins: 1,
        ..NOTHING_ELSE
    };
    caught(Mutant::NoDiscard, LOGIN_GOES, fleet(2, Guard::Lock, budget));
}

#[test]
fn who_does_not_know_generations_stores_after_a_teardown() {
    let twice = Budget {
        logins: 1,
        teardowns: 2,
        ..NOTHING_ELSE
    };
    caught(
        Mutant::NoGeneration,
        TORN_DOWN,
        fleet(2, Guard::Leases, twice),
    );
}

#[test]
fn a_claim_that_need_not_stand_lets_two_in() {
    let claims = fleet(2, Guard::PromptClaims, NOTHING_ELSE);
    caught(Mutant::NoSettle, USED_ONCE, claims.clone());
    caught(Mutant::NoSettle, ASKED_WITH_REASON, claims);
}

/// Each function that a step is named by, with its file: "`name`, `src/path`".
#[test]
fn the_functions_that_steps_are_named_by_are_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let steps = fs::read_to_string(here.join("step.rs")).unwrap();
    let doc: String = steps
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/// "))
        .fold(String::new(), |doc, line| doc + line + " ");
    let parts: Vec<_> = doc.split('`').collect();
    let named = parts.windows(3).filter(|it| it[2].starts_with("src/"));
    let mut count = 0;
    for it in named {
        let (name, path) = (it[0], it[2]);
        let source = fs::read_to_string(here.join("../..").join(path)).unwrap();
        assert!(
            source.contains(&format!("fn {name}(")) || source.contains(&format!("fn {name}<")),
            "{path} has no {name}"
        );
        count += 1;
    }
    assert_eq!(count, steps.matches("`src/").count());
    let variants = steps.split("pub enum Step {").nth(1).unwrap();
    let (mut doc, mut undocumented) = (String::new(), Vec::new());
    for line in variants.split("\n}").next().unwrap().lines() {
        let text = line.strip_prefix("    ").unwrap_or_default();
        if text.starts_with("///") {
            doc += text;
        } else if text.starts_with(char::is_uppercase)
            && !std::mem::take(&mut doc).contains("`src/")
        {
            undocumented.push(text);
        }
    }
    assert_eq!(undocumented, ["Ended(Ended),", "Crashed,"]);
}
