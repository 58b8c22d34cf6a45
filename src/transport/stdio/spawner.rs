//! The one thread that starts child processes.
//!
//! Linux sends the parent-death signal when the *thread* that forked ends, not the process. Tokio's threads and
//! Node's workers come and go; this one stays as long as the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::{Code, Error, Result};

type Job = Box<dyn FnOnce() + Send>;

static JOBS: Mutex<Option<mpsc::Sender<Job>>> = Mutex::new(None);

/// Runs `job` on the spawning thread, within the caller's Tokio runtime. If the caller goes away, `job` still runs
/// and its value is dropped.
pub(super) async fn run<T, F>(job: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let runtime = Handle::current();
    let (reply, outcome) = oneshot::channel();
    post(Box::new(move || {
        let _inside = runtime.enter();
        let _ = reply.send(job());
    }))?;
    outcome
        .await
        .map_err(|_| Error::new(Code::Internal, "Starting the MCP server process panicked"))
}

fn post(job: Job) -> Result<()> {
    let mut jobs = JOBS.lock();
    let sender = match &*jobs {
        Some(sender) => sender,
        None => jobs.insert(start()?),
    };
    sender.send(job).map_err(|_| {
        Error::new(
            Code::Internal,
            "The thread that starts MCP server processes is gone",
        )
    })
}

fn start() -> Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("mcp-spawn".to_owned())
        .spawn(move || {
            for job in jobs {
                // A panic is told to the caller by the dropped reply; the thread has to live on.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })
        .map_err(|error| {
            Error::new(
                Code::SpawnFailed,
                format!("Cannot start a thread for MCP server processes: {error}"),
            )
        })?;
    Ok(sender)
}
