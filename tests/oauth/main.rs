//! OAuth against a scripted authorization server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod binding;
mod detection;
mod flows;
mod leases;
mod races;
mod refresh;
mod reinit;
mod rows;
mod server;
mod stores;
mod unfenced;
mod unlocked;
mod world;
