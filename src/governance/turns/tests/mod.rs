//! Turns, with time that passes by itself.

mod order;
mod random;
mod rates;
mod waits;
mod world;
