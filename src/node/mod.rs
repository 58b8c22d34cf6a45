//! What JavaScript sees: the only code that knows napi. Imports run downward, from `surface` to `engine`.

mod engine;
mod host;
mod marshal;
mod surface;
