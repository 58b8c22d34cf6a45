//! What an attempt to connect counts as that nobody waits for any more.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, pending};
use librechat_mcp_native::connection::CallOptions;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::manager::{Acquire, Key, Manager, Owner};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::support::scripted::{Action, Scripted};
use crate::support::wire::Step;
use crate::support::{recipe, until};

const LONG: Duration = Duration::from_secs(100);

/// How long a call waits, and when it is aborted.
struct Call {
    limit: Duration,
    abort: Duration,
}

const TIMES_OUT: Call = Call {
    limit: Duration::from_millis(400),
    abort: LONG,
};
const IS_ABORTED_EARLY: Call = Call {
    limit: LONG,
    abort: Duration::from_millis(100),
};
const IS_ABORTED_LATE: Call = Call {
    limit: LONG,
    abort: Duration::from_millis(800),
};

/// What the calls end with that wait for one attempt, and what the attempt counts as. The server never answers.
async fn outcome(calls: &[Call]) -> (Vec<Code>, Value) {
    let server = Scripted::start(|_| Action::Reply(vec![Step::Wait(LONG)])).await;
    let manager = Manager::new(true, Handle::current());
    let recipe = Arc::new(recipe(config(&server)));
    let codes = calls.iter().map(async |call| {
        let key = Key::new(Owner::user("user"), "test");
        let cancel = CancellationToken::new();
        let options = CallOptions::new(Instant::now() + call.limit, cancel.clone());
        let request = Acquire::new(key, Arc::clone(&recipe), options);
        let abort = async {
            sleep(call.abort).await;
            cancel.cancel();
            pending().await
        };
        tokio::select! {
            outcome = manager.acquire(&request) => outcome.err().unwrap().code,
            code = abort => code,
        }
    });
    let codes = join_all(codes).await;
    let connects = || {
        let counts = manager.metrics().to_value(&manager.gauges());
        counts["connects"]["test"]["streamable-http"].clone()
    };
    until("the attempt to be counted", || !connects().is_null()).await;
    let counted = connects();
    manager.close().await;
    (codes, counted)
}

#[tokio::test]
async fn an_attempt_ends_as_the_last_call_that_waited_for_it() {
    assert_eq!(
        outcome(&[TIMES_OUT, IS_ABORTED_EARLY]).await,
        (
            vec![Code::Timeout, Code::Aborted],
            json!({ "MCP_TIMEOUT": 1 })
        )
    );
    assert_eq!(
        outcome(&[TIMES_OUT, IS_ABORTED_LATE]).await,
        (
            vec![Code::Timeout, Code::Aborted],
            json!({ "MCP_ABORTED": 1 })
        )
    );
}
