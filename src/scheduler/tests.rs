//! The rules of the scheduler, one by one; what threads share is tried in `loom/`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Burst, Drain, JobQueue, SLICE, TextQueue};

type Queue = Arc<JobQueue<u32>>;

/// A slice that is spent after so many jobs.
fn slice_of(mut count: usize) -> impl FnMut() -> bool {
    move || {
        count -= 1;
        count == 0
    }
}

/// The jobs that a drain runs in such a slice, and the next drain.
fn take(drain: Drain<u32>, count: usize) -> (Vec<u32>, Option<Drain<u32>>) {
    let mut run = Vec::new();
    let next = drain.take(slice_of(count), |job| run.push(job));
    (run, next)
}

#[test]
fn one_drain_is_asked_for_until_it_has_found_nothing_left() {
    let queue = Queue::default();
    let drain = queue.post([1]).unwrap();
    assert!(queue.post([2]).is_none());
    let (run, next) = take(drain, 9);
    assert_eq!(run, [1, 2]);
    assert!(next.is_none());
    assert!(queue.post([3]).is_some());
}

#[test]
fn nothing_posted_asks_for_nothing() {
    assert!(Queue::default().post([]).is_none());
}

#[test]
fn what_does_not_fit_into_a_slice_runs_in_the_next_in_order() {
    let queue = Queue::default();
    let drain = queue.post(1..=5).unwrap();
    let (run, next) = take(drain, 2);
    assert_eq!(run, [1, 2]);
    assert!(queue.post([6]).is_none());
    let (run, next) = take(next.unwrap(), 3);
    assert_eq!(run, [3, 4, 5]);
    let (run, next) = take(next.unwrap(), 1);
    assert_eq!(run, [6]);
    assert!(next.is_none());
}

#[test]
fn a_slice_that_is_spent_from_the_start_has_room_for_one_job() {
    let queue = Queue::default();
    let drain = queue.post([1, 2]).unwrap();
    let mut run = Vec::new();
    let next = drain.take(|| true, |job| run.push(job));
    assert_eq!(run, [1]);
    assert!(next.is_some());
}

#[test]
fn a_job_that_a_job_posts_runs_after_what_waited_before() {
    let queue = Queue::default();
    let drain = queue.post([1, 2]).unwrap();
    let (mut run, mut has_second_drain) = (Vec::new(), false);
    let next = drain.take(
        || false,
        |job| {
            run.push(job);
            if job == 1 {
                has_second_drain |= queue.post([3]).is_some();
            }
        },
    );
    assert_eq!(run, [1, 2, 3]);
    assert!(next.is_none() && !has_second_drain);
}

#[test]
fn unhurried_jobs_ask_for_one_reminder_and_run_with_the_next_drain() {
    let queue = Queue::default();
    assert!(queue.post_unhurried(1));
    assert!(!queue.post_unhurried(2));
    let (run, _) = take(queue.post([3]).unwrap(), 9);
    assert_eq!(run, [3, 1, 2]);
    // The reminder that was asked for is still to come, and finds nothing.
    assert!(!queue.post_unhurried(4));
    let (run, _) = take(queue.remind().unwrap(), 9);
    assert_eq!(run, [4]);
    assert!(queue.remind().is_none());
    assert!(queue.post_unhurried(5));
}

#[test]
fn a_reminder_asks_for_no_second_drain() {
    let queue = Queue::default();
    assert!(queue.post_unhurried(1));
    let drain = queue.post([2]).unwrap();
    assert!(queue.remind().is_none());
    assert_eq!(take(drain, 9).0, [2, 1]);
}

#[test]
fn an_unhurried_job_that_a_job_posts_waits_for_the_next_drain() {
    let queue = Queue::default();
    let drain = queue.post([1]).unwrap();
    let (mut run, mut needs_reminder) = (Vec::new(), false);
    let next = drain.take(
        || false,
        |job| {
            run.push(job);
            needs_reminder = queue.post_unhurried(2);
        },
    );
    assert_eq!(run, [1]);
    assert!(next.is_none() && needs_reminder);
    assert!(queue.remind().is_some());
}

#[test]
fn a_job_that_panics_ends_alone() {
    let queue = Queue::default();
    let drain = queue.post(1..=3).unwrap();
    let run = Mutex::new(Vec::new());
    let next = drain.take(
        || false,
        |job| {
            assert_ne!(job, 2, "a job fails");
            run.lock().push(job);
        },
    );
    assert_eq!(*run.lock(), [1, 3]);
    assert!(next.is_none());
    assert!(queue.post([4]).is_some());
}

/// A job that, dropped, posts another, as whoever hears that nothing answers may do.
struct Poster {
    queue: Arc<JobQueue<Self>>,
    dropped: Arc<Mutex<u32>>,
}

impl Drop for Poster {
    fn drop(&mut self) {
        let mut dropped = self.dropped.lock();
        *dropped += 1;
        let is_first = *dropped == 1;
        drop(dropped);
        if is_first {
            assert!(
                self.queue
                    .post([poster(&self.queue, &self.dropped)])
                    .is_none()
            );
        }
    }
}

fn poster(queue: &Arc<JobQueue<Poster>>, dropped: &Arc<Mutex<u32>>) -> Poster {
    Poster {
        queue: Arc::clone(queue),
        dropped: Arc::clone(dropped),
    }
}

#[test]
fn what_waits_when_the_queue_ends_is_dropped_unrun_and_so_is_what_comes_later() {
    for is_ended_by_drop in [true, false] {
        let (queue, dropped) = (Arc::<JobQueue<Poster>>::default(), Arc::default());
        let drain = queue.post([(); 2].map(|()| poster(&queue, &dropped)));
        let _ = queue.post_unhurried(poster(&queue, &dropped));
        assert!(!queue.is_over());
        if is_ended_by_drop {
            drop(drain);
        } else {
            queue.end();
            let mut has_run = false;
            let next = drain.unwrap().take(|| false, |_| has_run = true);
            assert!(next.is_none() && !has_run);
        }
        assert!(queue.is_over());
        assert_eq!(*dropped.lock(), 4);
        assert!(queue.post([poster(&queue, &dropped)]).is_none());
        assert!(!queue.post_unhurried(poster(&queue, &dropped)));
        assert!(queue.remind().is_none());
        assert_eq!(*dropped.lock(), 6);
    }
}

#[test]
fn a_queue_that_a_job_ends_runs_nothing_after_it() {
    let queue = Queue::default();
    let drain = queue.post([1, 2]).unwrap();
    let run = Cell::new(0);
    let next = drain.take(
        || true,
        |_| {
            run.set(run.get() + 1);
            queue.end();
        },
    );
    assert_eq!(run.get(), 1);
    assert!(next.is_none());
}

#[test]
fn calls_begin_until_a_slice_is_spent_and_again_after_a_pause() {
    let mut burst = Burst::default();
    burst.spend(SLICE);
    assert!(!burst.is_over_budget());
    burst.spend(Duration::from_nanos(1));
    assert!(burst.is_over_budget());
    burst.pause();
    assert!(!burst.is_over_budget());
}

#[test]
fn no_call_begins_before_one_that_waits() {
    let mut burst = Burst::default();
    burst.postpone();
    burst.postpone();
    burst.pause();
    burst.admit();
    assert!(burst.is_over_budget());
    burst.admit();
    assert!(!burst.is_over_budget());
}

/// All that waits, one job after another.
fn texts_of(queue: &TextQueue) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let (text, has_more) = queue.take();
        texts.extend(text);
        if !has_more {
            return texts;
        }
    }
}

#[test]
fn texts_ask_for_one_job_at_a_time_and_come_in_order() {
    let queue = TextQueue::default();
    assert!(queue.push_or_replace("a".into()));
    assert!(!queue.push_or_replace("b".into()));
    assert_eq!(queue.take(), (Some("a".into()), true));
    assert!(!queue.push_or_replace("c".into()));
    assert_eq!(texts_of(&queue), ["b", "c"]);
    assert!(queue.push_or_replace("d".into()));
}

#[test]
fn the_last_of_too_many_texts_is_replaced() {
    let queue = TextQueue::default();
    for number in 0..300 {
        let _ = queue.push_or_replace(number.to_string());
    }
    let texts = texts_of(&queue);
    assert_eq!(texts.len(), 256);
    assert_eq!(texts[254..], ["254", "299"]);
}

#[test]
fn the_last_of_too_large_texts_is_replaced_and_one_alone_may_be_larger() {
    let (half, whole) = ("h".repeat(600 * 1024), "w".repeat(2 * 1024 * 1024));
    let queue = TextQueue::default();
    for text in ["small", &half, &half, "more"] {
        let _ = queue.push_or_replace(text.to_owned());
    }
    assert_eq!(texts_of(&queue), ["small", &half, "more"]);
    let _ = queue.push_or_replace(whole.clone());
    let _ = queue.push_or_replace("after".to_owned());
    assert_eq!(texts_of(&queue), ["after"]);
    let _ = queue.push_or_replace(whole.clone());
    assert_eq!(texts_of(&queue), [whole]);
}
