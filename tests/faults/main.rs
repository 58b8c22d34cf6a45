//! What servers and networks do wrong, on every transport: what the call that meets it comes to, within which time,
//! and that the next call works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod answers;
mod framing;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use librechat_mcp_native::error::Code;
use support::server::{Script, Server, stdio_config};
use support::wire::{EVERY_WIRE, Step, Wire};
use support::{list, open, recipe, until};
use tokio::time::timeout;

/// What a call gets that nobody answers.
const SILENT_SECONDS: f64 = 2.0;
/// What every other call gets: 20 MiB in a debug build, and reconnecting, on a machine that has other things to do.
const SECONDS: f64 = 60.0;
/// Nothing takes longer.
const BOUND: Duration = Duration::from_mins(2);
/// The line limit of standard streams here: a longer script is no argument of a process.
const STDIO_LINE_BYTES: usize = 16 * 1024;

type Outcome = Result<(), Code>;

const LISTED: Outcome = Ok(());
const LOST: Outcome = Err(Code::ConnectionLost);
const SILENT: Outcome = Err(Code::Timeout);
const INVALID: Outcome = Err(Code::InvalidResponse);

struct Case {
    name: &'static str,
    outcome: fn(Wire) -> Outcome,
    script: Script,
}

const fn case(name: &'static str, outcome: fn(Wire) -> Outcome, script: Script) -> Case {
    Case {
        name,
        outcome,
        script,
    }
}

fn listed(_: Wire) -> Outcome {
    LISTED
}

fn lost(_: Wire) -> Outcome {
    LOST
}

fn silent(_: Wire) -> Outcome {
    SILENT
}

fn invalid(_: Wire) -> Outcome {
    INVALID
}

fn send(bytes: Vec<u8>) -> Step {
    Step::Send(bytes)
}

/// The cases that mean something on a transport.
fn cases_of(wire: Wire) -> impl Iterator<Item = &'static Case> {
    [
        (true, answers::EVERYWHERE),
        (wire != Wire::Stdio, answers::SOCKETS),
        (!wire.is_streamable(), answers::DUPLEX),
        (wire.is_streamable(), framing::HTTP),
        (matches!(wire, Wire::Events | Wire::Sse), framing::EVENTS),
        (wire == Wire::WebSocket, framing::FRAMES),
    ]
    .into_iter()
    .filter_map(|(applies, cases)| applies.then_some(cases))
    .flatten()
}

/// Whether the connection outlives the fault.
fn stays(wire: Wire, outcome: Outcome) -> bool {
    !matches!(wire, Wire::WebSocket | Wire::Stdio) || outcome != LOST
}

/// Runs a case and tells what is wrong.
async fn run(case: &Case, wire: Wire) -> Option<String> {
    let running = timeout(BOUND, run_unbounded(case, wire));
    running
        .await
        .unwrap_or_else(|_| Some(format!("{} over {wire:?}: it hangs", case.name)))
}

async fn run_unbounded(case: &Case, wire: Wire) -> Option<String> {
    let expected = (case.outcome)(wire);
    let server = match wire {
        Wire::Stdio => None,
        _ => Some(Server::start(wire, case.script).await),
    };
    let config = server
        .as_ref()
        .map_or_else(|| stdio_config(case.script), Server::config);
    let mut recipe = recipe(config);
    if wire == Wire::Stdio {
        Arc::make_mut(&mut recipe.settings).response.max_line_bytes = STDIO_LINE_BYTES;
    }
    let wrong = |what: String| Some(format!("{} over {wire:?}: {what}", case.name));
    let connection = match open(&recipe).await {
        Ok(connection) => connection,
        Err(error) => return wrong(format!("no connection: {error}")),
    };

    let seconds = if expected == SILENT {
        SILENT_SECONDS
    } else {
        SECONDS
    };
    let outcome = list(&connection, seconds).await.map(drop);
    if outcome != expected {
        return wrong(format!("{outcome:?} instead of {expected:?}"));
    }

    let next = if stays(wire, expected) {
        list(&connection, SECONDS).await
    } else {
        until(case.name, || connection.is_closed()).await;
        if wire == Wire::Stdio {
            return None;
        }
        let second = open(&recipe).await.unwrap();
        let next = list(&second, SECONDS).await;
        second.close().await;
        next
    };
    if let Err(code) = next {
        return wrong(format!("the next call: {code:?}"));
    }

    connection.close().await;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_an_answer() {
    let mut wrong = Vec::new();
    for wire in EVERY_WIRE {
        let runs = cases_of(wire).map(|case| run(case, wire));
        wrong.extend(join_all(runs).await.into_iter().flatten());
        for case in answers::HUGE {
            wrong.extend(run(case, wire).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
