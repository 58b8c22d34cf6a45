//! How processes refresh one user's tokens, as a model that is checked in every order in which its steps can come.

mod commit;
pub mod fleet;
pub mod model;
mod process;
pub mod properties;
mod step;
pub mod world;

#[cfg(test)]
mod tests;
