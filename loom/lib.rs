//! What threads share, in the orders in which they can come to it: files of the crate, as they are, with locks of `loom`.

#![cfg(test)]
// What the rest of the crate uses of the files, and nobody here.
#![allow(dead_code)]

// The files ask `parking_lot` for their locks, and get those of `loom` from this crate.
extern crate self as parking_lot;

#[path = "../src/cancel.rs"]
mod cancel;
mod scheduler;
mod stand_ins;
mod turns;

use stand_ins::{error, server_config, telemetry};

#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A thread with a copy of the world.
fn beside<W: Clone + 'static, T: 'static>(
    world: &W,
    work: impl FnOnce(W) -> T + 'static,
) -> loom::thread::JoinHandle<T> {
    let world = world.clone();
    loom::thread::spawn(move || work(world))
}
