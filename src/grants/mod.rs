//! Grants without a user's login.

mod assertion;
mod jwt;
mod workload;
