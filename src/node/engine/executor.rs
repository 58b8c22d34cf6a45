//! The work of calls. The threads of the runtime do it; the end of it, after the host's last answer, is done where that
//! answer is heard: on JavaScript's thread, which would otherwise wake another one only to be woken by it again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::thread::{Job, JsThread};
use super::value::Scope;
use super::workers;

/// The work of one call, whoever goes on with it.
struct Work {
    left: Mutex<Option<BoxFuture<'static, ()>>>,
    /// The task that goes on with it.
    task: AtomicWaker,
}

/// What this thread does for the work of calls.
#[derive(Default)]
enum JsThreadRole {
    #[default]
    Idle,
    /// Gives an answer, and keeps the work that waited for it.
    Answering(Vec<Arc<Work>>),
    /// Goes on with work of an environment, and keeps what is to be done there with its outcome.
    Resuming(JsThread, Vec<Job>),
}

thread_local! {
    static ROLE: RefCell<JsThreadRole> = RefCell::default();
}

/// Work that has yet to start.
struct StartQueue {
    waiting: VecDeque<BoxFuture<'static, ()>>,
    /// There is a task that starts it.
    is_moving: bool,
}

static START_QUEUE: Mutex<StartQueue> = Mutex::new(StartQueue {
    waiting: VecDeque::new(),
    is_moving: false,
});

/// How many start together. More of them share turns of JavaScript's thread and looks at events, fewer of them take less
/// memory and connections at a time.
const GROUP: usize = 4;

/// Starts the work of calls, as soon as nothing of what is under way can go on: hundreds of calls at once take half the
/// time one after another that they take side by side. Nobody waits for a server that somebody else waits for.
pub fn start(works: Vec<BoxFuture<'static, ()>>) {
    let mut line = START_QUEUE.lock();
    line.waiting.extend(works);
    if std::mem::replace(&mut line.is_moving, true) {
        return;
    }
    drop(line);
    workers::spawn(async {
        loop {
            let (group, are_more) = next();
            group.into_iter().for_each(start_one);
            if !are_more {
                return;
            }
            // Tokio comes back to a task that yields when it has no other to run and has looked for events, or when it
            // has run many.
            tokio::task::yield_now().await;
        }
    });
}

/// The next group, and whether it has to be followed by another.
fn next() -> (Vec<BoxFuture<'static, ()>>, bool) {
    let mut line = START_QUEUE.lock();
    let count = line.waiting.len().min(GROUP);
    let group = line.waiting.drain(..count).collect();
    line.is_moving = !line.waiting.is_empty();
    (group, line.is_moving)
}

fn start_one(work: BoxFuture<'static, ()>) {
    let work = Arc::new(Work {
        left: Mutex::new(Some(work)),
        task: AtomicWaker::new(),
    });
    let waker = Waker::from(Arc::clone(&work));
    let Some(tokio) = workers::handle() else {
        return;
    };
    tokio.spawn(poll_fn(move |context| {
        work.task.register(context.waker());
        go_on(&mut work.left.lock(), &waker)
    }));
}

/// Gives a call the last answer of the host that it waits for, and does here what the call has left to do.
pub fn resume_on_js_thread(scope: Scope<'_>, thread: &JsThread, answer: impl FnOnce()) {
    let JsThreadRole::Answering(woken) = during(JsThreadRole::Answering(Vec::new()), answer) else {
        return;
    };
    let went_on = during(JsThreadRole::Resuming(thread.clone(), Vec::new()), || {
        let _runtime = workers::handle().map(Handle::enter);
        for work in woken {
            // Else a thread of the runtime is at it.
            if let Some(mut left) = work.left.try_lock() {
                let _ = go_on(&mut left, &Waker::from(Arc::clone(&work)));
            }
            work.task.wake();
        }
    });
    if let JsThreadRole::Resuming(_, jobs) = went_on {
        for job in jobs {
            job(scope);
        }
    }
}

/// What this thread has kept while it did something. A panic ends that, and nothing else.
fn during(here: JsThreadRole, something: impl FnOnce()) -> JsThreadRole {
    ROLE.set(here);
    let _ = catch_unwind(AssertUnwindSafe(something));
    ROLE.take()
}

/// Keeps a job for after the work that this thread goes on with; gives it back where there is none.
pub fn keep(thread: &JsThread, job: Job) -> Option<Job> {
    ROLE.with_borrow_mut(|here| match here {
        JsThreadRole::Resuming(here, jobs) if here.is(thread) => {
            jobs.push(job);
            None
        }
        _ => Some(job),
    })
}

fn go_on(left: &mut Option<BoxFuture<'static, ()>>, waker: &Waker) -> Poll<()> {
    let Some(work) = left else {
        return Poll::Ready(());
    };
    // Work that has panicked is over, and rejects the promise that it owns when it is dropped.
    let poll = || work.as_mut().poll(&mut Context::from_waker(waker));
    let outcome = catch_unwind(AssertUnwindSafe(poll)).unwrap_or(Poll::Ready(()));
    if outcome.is_ready() {
        *left = None;
    }
    outcome
}

impl Wake for Work {
    fn wake(self: Arc<Self>) {
        let woken = ROLE.with_borrow_mut(|here| match here {
            JsThreadRole::Answering(woken) => {
                woken.push(self);
                None
            }
            _ => Some(self),
        });
        if let Some(work) = woken {
            work.task.wake();
        }
    }
}
