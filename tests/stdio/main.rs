//! The stdio transport against real processes.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, which clippy.toml does not cover"
)]

mod ends;
mod fixture;
mod messages;
mod start;
