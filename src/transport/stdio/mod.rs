//! MCP over the standard streams of a child process: one JSON-RPC message a line.
//!
//! `spawner` starts every child from one thread, `process` knows and ends its process group, `supervisor` watches
//! over one child from start to end, `lines` frames, `stderr` logs, `ending` tells why a child is no more.
//!
//! Ending a child goes: stdin closed, two seconds; `SIGTERM` to the group, two seconds; `SIGKILL` to the group. On
//! Windows the group is a job object, and there is no `SIGTERM`. A child that goes on writing without end is not waited for.

mod ending;
#[cfg(unix)]
mod exec;
pub(super) mod lines;
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(unix, path = "unix.rs")]
mod platform;
mod process;
mod spawner;
mod stderr;
mod supervisor;
mod wire;

use std::fmt;

use crate::foreign_text::SentSecrets;

pub use ending::Ending;
pub use process::Children;
pub use wire::StdioWire;

pub use crate::server_config::Stderr;
use crate::trace::Source;

/// How to start a server.
#[derive(Clone, Default)]
pub struct StdioOptions {
    /// A path, or a name that is looked up in the `PATH` the child gets.
    pub command: String,
    pub args: Vec<String>,
    /// Set over the default environment.
    pub env: Vec<(String, String)>,
    pub cwd: Option<String>,
    pub stderr: Stderr,
    /// Longest line accepted from the child, in bytes; 0 is no limit.
    pub max_line_bytes: usize,
    /// What the child was given and must not be repeated when it says it.
    pub secrets: SentSecrets,
    /// The connection, as the trace knows it.
    pub source: Source,
}

impl fmt::Debug for StdioOptions {
    /// Arguments and values of variables may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("StdioOptions")
            .field("command", &self.command)
            .field("args", &format_args!("[{}]", self.args.len()))
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("stderr", &self.stderr)
            .field("max_line_bytes", &self.max_line_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_arguments_and_values() {
        let text = format!(
            "{:?}",
            StdioOptions {
                command: "server".to_owned(),
                args: vec!["--key=hidden".to_owned()],
                env: vec![("TOKEN".to_owned(), "hidden".to_owned())],
                ..StdioOptions::default()
            }
        );
        assert!(text.contains("server") && text.contains("TOKEN"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}
