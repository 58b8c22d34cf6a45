//! The Tokio runtime of the process.

use std::io;
use std::num::NonZero;
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::error::{Code, Error, Result};

const THREAD_NAME: &str = "librechat-mcp";

static HANDLE: OnceLock<Handle> = OnceLock::new();

/// Work in the background, which [`start`] has made possible. Boxed: one kind of task for all of it.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    let work: BoxFuture<'static, ()> = Box::pin(work);
    if let Some(handle) = handle() {
        handle.spawn(work);
    }
}

/// The Tokio runtime of the process, once [`start`] was successful.
pub fn handle() -> Option<&'static Handle> {
    HANDLE.get()
}

/// Starts the Tokio runtime of the process, unless it runs already. It is never shut down: worker threads of Node come
/// and go, their work with them. Fails where the system gives no threads; a later call tries again.
pub fn start() -> Result<&'static Handle> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _only = STARTING.lock();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle);
    }
    // Its threads outlive the environment that loaded the addon, which may be a worker.
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    // Tokio panics where its first thread cannot be started, which may be so a moment after others could.
    let started =
        catch_unwind(start_threads).unwrap_or_else(|_| Err(io::ErrorKind::WouldBlock.into()));
    let handle = started.map_err(|error| {
        Error::new(
            Code::Internal,
            format!(
                "The MCP runtime cannot start its threads: {error}. Raise the limit on threads, processes or open files of this process or its container (ulimit -u, ulimit -n, pids.max)"
            ),
        )
    })?;
    Ok(HANDLE.get_or_init(|| handle))
}

fn start_threads() -> io::Result<Handle> {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    // JavaScript's thread has a core of its own.
    let workers = (cores - 1).clamp(1, 4);
    // One more than the workers, for what may block: looking up names, say.
    ask_for_threads(workers + 1)?;
    // One thread needs no queues from which others take its tasks.
    let mut builder = match workers {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder
        .worker_threads(workers)
        .thread_name(THREAD_NAME)
        .enable_all();
    let runtime = builder.build()?;
    let handle = runtime.handle().clone();
    if workers == 1 {
        let run = move || runtime.block_on(std::future::pending::<()>());
        std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(run)?;
    } else {
        // Leaked on purpose: dropping it would block whoever is last.
        std::mem::forget(runtime);
    }
    Ok(handle)
}

/// Whether the system gives this many threads at once.
fn ask_for_threads(count: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let threads: io::Result<Vec<_>> = (0..count)
        .map(|_| {
            let gate = Arc::clone(&gate);
            std::thread::Builder::new().spawn(move || drop(gate.lock()))
        })
        .collect();
    drop(closed);
    for thread in threads? {
        let _ = thread.join();
    }
    Ok(())
}
