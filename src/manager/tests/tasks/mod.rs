//! Tool calls that become tasks, over hours that pass by themselves.

mod legacy;
mod modern;
mod server;
