//! The queue of jobs of the scheduler, in every order in which threads can come to it.

#[path = "../src/scheduler/job_queue.rs"]
mod job_queue;

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use crate::beside;
use job_queue::{Drain, JobQueue};

/// What has become of the jobs.
#[derive(Default)]
struct Fates {
    is_running: AtomicBool,
    run: AtomicUsize,
    gone: AtomicUsize,
}

struct Job(Arc<Fates>);

impl Job {
    /// Counts as run unless another does at the same time.
    fn run(self) {
        let fates = &self.0;
        if !fates.is_running.swap(true, SeqCst) {
            fates.run.fetch_add(1, SeqCst);
            fates.is_running.store(false, SeqCst);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}

#[derive(Clone, Default)]
struct World {
    queue: Arc<JobQueue<Job>>,
    fates: Arc<Fates>,
}

impl World {
    fn job(&self) -> Job {
        Job(Arc::clone(&self.fates))
    }

    fn post(&self) -> Option<Drain<Job>> {
        self.queue.post([self.job()])
    }

    fn fates(&self) -> (usize, usize) {
        (self.fates.run.load(SeqCst), self.fates.gone.load(SeqCst))
    }
}

/// Turns of the thread that takes drains, one job in each.
fn run(mut drain: Option<Drain<Job>>) {
    while let Some(next) = drain {
        drain = next.take(|| true, Job::run);
    }
}

#[test]
fn what_is_posted_during_a_drain_is_run_once_and_by_one_drain_at_a_time() {
    loom::model(|| {
        let world = World::default();
        let others = [(); 2].map(|()| beside(&world, |world| run(world.post())));
        run(world.post());
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(world.fates(), (3, 3));
    });
}

#[test]
fn an_unhurried_job_is_run_by_a_drain_or_after_its_reminder() {
    loom::model(|| {
        let world = World::default();
        let unhurried = beside(&world, |world| {
            if world.queue.post_unhurried(world.job()) {
                run(world.queue.remind());
            }
        });
        run(world.post());
        if world.queue.post_unhurried(world.job()) {
            run(world.queue.remind());
        }
        unhurried.join().unwrap();
        assert_eq!(world.fates(), (3, 3));
    });
}

#[test]
fn nothing_is_left_in_a_queue_that_has_ended() {
    loom::model(|| {
        let world = World::default();
        let poster = beside(&world, |world| {
            run(world.post());
            let _ = world.queue.post_unhurried(world.job());
        });
        let ending = beside(&world, |world| world.queue.end());
        run(world.post());
        poster.join().unwrap();
        ending.join().unwrap();
        let (run, gone) = world.fates();
        assert!(run <= 3);
        assert_eq!(gone, 3);
        assert!(world.post().is_none());
        assert_eq!(world.fates(), (run, 4));
    });
}

#[test]
fn nothing_is_left_where_a_drain_is_not_taken() {
    loom::model(|| {
        let world = World::default();
        let poster = beside(&world, |world| drop(world.post()));
        drop(world.post());
        poster.join().unwrap();
        assert!(world.queue.is_over());
        assert_eq!(world.fates(), (0, 2));
    });
}
