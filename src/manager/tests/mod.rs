//! The rules of connections, with servers in memory and time that passes by itself.

mod attempts;
mod ends;
mod idle;
mod leases;
mod reconnecting;
mod sharing;
mod tasks;
mod world;

pub(super) use world::Servers;
