//! A child with its process group, and all children of a runtime.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::process::Child;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::platform::Group;
use crate::error::{Error, Result};

/// Between two looks at a group that is to end.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// How long `kill_all` waits for children that were asked to end.
const TEARDOWN_GRACE: Duration = Duration::from_millis(200);
/// How long a killed child may take to become reapable.
const TEARDOWN_KILL: Duration = Duration::from_millis(500);

/// On Linux Tokio waits on a pidfd, not on SIGCHLD, which belongs to Node's libuv there. Elsewhere it listens to
/// SIGCHLD and libuv may replace the handler, so the child is looked at once in a while too.
const RECHECK: Duration = if cfg!(target_os = "linux") {
    Duration::from_secs(5)
} else {
    Duration::from_millis(250)
};

pub(super) struct Process {
    child: Mutex<Child>,
    pub(super) group: Group,
    /// How much it wrote that nobody wanted, in bytes.
    written: AtomicUsize,
    /// Cancelled when nothing is left to watch.
    pub(super) over: CancellationToken,
}

impl Process {
    pub(super) fn new(mut child: Child) -> io::Result<Self> {
        let group = Group::of(&child).inspect_err(|_| {
            let _ = child.start_kill();
        })?;
        Ok(Self {
            child: Mutex::new(child),
            group,
            written: AtomicUsize::new(0),
            over: CancellationToken::new(),
        })
    }

    /// Notes output that nobody wanted.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits for the leader of the group and reaps it.
    pub(super) async fn exited(&self) -> io::Result<ExitStatus> {
        loop {
            let wait = poll_fn(|context| pin!(self.child.lock().wait()).poll(context));
            if let Ok(outcome) = timeout(RECHECK, wait).await {
                return outcome;
            }
        }
    }

    /// Whether the leader is reaped. Reaps it where it has ended; needs no runtime.
    fn is_reaped(&self) -> bool {
        !matches!(self.child.lock().try_wait(), Ok(None))
    }

    /// Whether the leader is reaped and its group is over. Needs no runtime.
    pub(super) fn is_gone(&self) -> bool {
        self.is_reaped() && !self.group.has_members()
    }
}

/// Blocks until `condition` holds, or `until`. Says which.
fn wait_blocking(until: Instant, condition: impl Fn() -> bool) -> bool {
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Process {
    /// The supervisor has ended the process by now, unless its runtime ended first.
    fn drop(&mut self) {
        if !self.is_gone() {
            self.group.kill();
            wait_blocking(Instant::now() + TEARDOWN_KILL, || self.is_reaped());
        }
    }
}

/// The children of one runtime. Cheap to clone.
#[derive(Clone, Default)]
pub struct Children(Arc<Mutex<Registered>>);

#[derive(Default)]
struct Registered {
    processes: Vec<Arc<Process>>,
    closed: bool,
}

impl Children {
    /// Ends every child without a runtime, as the teardown of a worker or of the process needs it: `SIGTERM` to the
    /// groups, `SIGKILL` after 200 ms. Blocks; no child can be started afterwards.
    pub fn kill_all(&self) {
        let processes = {
            let mut registered = self.0.lock();
            registered.closed = true;
            std::mem::take(&mut registered.processes)
        };
        for process in &processes {
            process.group.terminate();
        }
        let until = Instant::now() + TEARDOWN_GRACE;
        let stubborn: Vec<_> = processes
            .iter()
            .filter(|process| !wait_blocking(until, || process.is_gone()))
            .collect();
        for process in &stubborn {
            process.group.kill();
        }
        let until = Instant::now() + TEARDOWN_KILL;
        for process in stubborn {
            wait_blocking(until, || process.is_reaped());
        }
        for process in processes {
            process.over.cancel();
        }
    }

    /// How many children have not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().processes.len()
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.0.lock().closed {
            return Err(Error::closed());
        }
        Ok(())
    }

    pub(super) fn add(&self, process: &Arc<Process>) -> Result<()> {
        let mut registered = self.0.lock();
        if registered.closed {
            return Err(Error::closed());
        }
        registered.processes.push(Arc::clone(process));
        Ok(())
    }

    pub(super) fn remove(&self, process: &Arc<Process>) {
        self.0
            .lock()
            .processes
            .retain(|other| !Arc::ptr_eq(other, process));
    }
}
