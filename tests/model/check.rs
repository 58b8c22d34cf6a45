//! Checks the model, and prints how many states it has: `check`, or `check --full` for three processes.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use librechat_mcp_native_model::fleet::{Fleet, Reuse, SCENARIOS};
use librechat_mcp_native_model::properties::{LOST_BY, failures};
use librechat_mcp_native_model::world::World;
use stateright::{Checker, Model};

fn main() -> ExitCode {
    let is_full = std::env::args().any(|argument| argument == "--full");
    let processes = if is_full { 3 } else { 2 };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (began, mut lost_by, mut states, mut failed) = (Instant::now(), BTreeSet::new(), 0, false);
    // One that only refuses does less than one that revokes.
    let servers = [Reuse::Revokes, Reuse::Accepts, Reuse::Refuses];
    let servers = if is_full { &servers } else { &servers[..2] };
    for &reuse in servers {
        for (scenario, budget) in SCENARIOS {
            for (name, fleet) in Fleet::all(processes, reuse, budget) {
                let began = Instant::now();
                let checker = fleet.checker().threads(threads);
                let checker = checker.symmetry_fn(World::sorted).spawn_dfs().join();
                states += checker.unique_state_count();
                println!(
                    "{processes} processes, {name}; server {reuse:?}; {scenario}: {} states, {:.1} s",
                    checker.unique_state_count(),
                    began.elapsed().as_secs_f32()
                );
                for (property, path) in failures(&checker) {
                    failed = true;
                    println!("  NOT TRUE: {property}");
                    for action in path.into_actions() {
                        println!("    {action:?}");
                    }
                }
                lost_by.extend(checker.discoveries().into_keys());
            }
        }
    }
    println!("{states} states, {:.1} s", began.elapsed().as_secs_f32());
    let expected = if is_full {
        &LOST_BY[..]
    } else {
        &LOST_BY[..LOST_BY.len() - 1]
    };
    for (_, name) in expected {
        let is_found = lost_by.contains(*name);
        failed |= !is_found;
        println!(
            "{name}: {}",
            if is_found { "happens" } else { "NEVER HAPPENS" }
        );
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
