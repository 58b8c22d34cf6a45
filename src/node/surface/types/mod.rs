//! The shapes that `index.d.ts` shows. Values are built and read piece by piece elsewhere in this folder, because
//! objects of the host must stay the host's own; these structures only describe them.

#![expect(dead_code, reason = "read by the generator of index.d.ts only")]

mod host;
mod manager;
mod obo;
mod policy;
mod reinit;
mod runtime;
mod telemetry;
