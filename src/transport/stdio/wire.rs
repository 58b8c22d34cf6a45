//! A process as a wire.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ending::Ending;
use super::lines::Lines;
use super::process::{Children, Process};
use super::stderr::log_stderr;
use super::supervisor::{Supervisor, past_end};
use super::{Stderr, StdioOptions, platform, spawner};
use crate::background;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::log::{Level, Logger};
use crate::telemetry::Traffic;
use crate::trace::Source;
use crate::transport::inbox::Inbox;
use crate::transport::outbox::Outbox;
use crate::transport::oversized::Text;
use crate::transport::wire::{Failure, Receiver, Sending, Wire};

/// Both graces of the supervisor and its last looks at the group.
const CLOSE_LIMIT: Duration = Duration::from_millis(5500);
const DRAIN_BYTES: usize = 64 * 1024;

/// A running server process. Dropping it ends the process in the background, as [`Wire::close`] does.
pub struct StdioWire {
    pid: Option<u32>,
    traffic: Arc<Traffic>,
    source: Source,
    outbox: Outbox,
    /// Has the supervisor end the process.
    _stop: DropGuard,
    stopping: CancellationToken,
    over: CancellationToken,
    ending: Ending,
}

impl StdioWire {
    /// What a child gets from this process's environment: the TypeScript SDK's `DEFAULT_INHERITED_ENV_VARS`.
    pub const DEFAULT_ENVIRONMENT: &[&str] = if cfg!(windows) {
        &[
            "APPDATA",
            "HOMEDRIVE",
            "HOMEPATH",
            "LOCALAPPDATA",
            "PATH",
            "PROCESSOR_ARCHITECTURE",
            "SYSTEMDRIVE",
            "SYSTEMROOT",
            "TEMP",
            "USERNAME",
            "USERPROFILE",
            "PROGRAMFILES",
        ]
    } else {
        &["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]
    };

    /// Starts a server. Fails with [`Code::SpawnFailed`] if the command cannot be run, and with [`Code::Closed`]
    /// after [`Children::kill_all`]. Needs a Tokio runtime, which then runs the tasks of this transport.
    pub async fn spawn(
        options: StdioOptions,
        environment: &Environment,
        traffic: Arc<Traffic>,
        receiver: Weak<dyn Receiver>,
        logger: Logger,
        children: &Children,
    ) -> Result<Self> {
        let env = child_environment(&options, environment);
        let children = children.clone();
        spawner::run(move || Self::start(&options, &env, traffic, receiver, logger, children))
            .await?
    }

    /// The id of the process that was started; it leads its own process group.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What becomes known of the process when it ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    fn start(
        options: &StdioOptions,
        env: &[(String, String)],
        traffic: Arc<Traffic>,
        receiver: Weak<dyn Receiver>,
        logger: Logger,
        children: Children,
    ) -> Result<Self> {
        children.check_open()?;
        let failed = |error| cannot_start(options, &problem(options, &error));
        let mut command = platform::command(options, env).map_err(failed)?;
        command
            .args(&options.args)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr_of(options)?);
        if let Some(cwd) = &options.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(failed)?;
        let pid = child.id();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Arc::new(Process::new(child).map_err(failed)?);
        children.add(&process)?;
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            children.remove(&process);
            return Err(Error::new(Code::Internal, "The child process has no pipes"));
        };

        let source = options.source.clone();
        source.step("process-started", || {
            vec![
                ("command", options.command.clone()),
                ("pid", pid.unwrap_or_default().to_string()),
            ]
        });
        let over = process.over.clone();
        let ending = Ending::new(options.secrets.clone());
        match stderr {
            Some(stderr) => {
                let process = Arc::clone(&process);
                background::spawn(log_stderr(stderr, process, ending.clone(), logger.clone()));
            }
            None => ending.stderr_is_over(),
        }
        let stop_writing = CancellationToken::new();
        let (outbox, write) = Outbox::new(stdin, stop_writing.clone(), "the MCP server process");
        let writer = background::spawn(write).abort_handle();
        let stopping = CancellationToken::new();
        let supervisor = Supervisor {
            process: Arc::clone(&process),
            children,
            stopping: stopping.clone(),
            stop_writing,
            writer,
            ending: ending.clone(),
            logger: logger.clone(),
            source: source.clone(),
        };
        background::spawn(supervisor.run());
        let unit = "a line of stdout";
        let mut inbox = Inbox::new(receiver, Arc::clone(&traffic), logger, unit, source.clone());
        let mut stdout = Lines::new(stdout, options.max_line_bytes);
        let (stops, ended) = (stopping.clone(), ending.clone());
        background::spawn(async move {
            tokio::select! {
                biased;
                () = stops.cancelled() => return drain(stdout.into_inner(), &process).await,
                () = read(&mut stdout, &mut inbox, &ended, &process.over) => {}
            }
            drop(stdout);
            // The exit status is logged before the connection counts as lost.
            ended.known().await;
            inbox.over();
        });
        Ok(Self {
            pid,
            traffic,
            source,
            outbox,
            _stop: stopping.clone().drop_guard(),
            stopping,
            over,
            ending,
        })
    }
}

#[async_trait]
impl Wire for StdioWire {
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        self.source.sent(&sending.text, 0);
        let mut line = sending.text;
        line.push(b'\n');
        self.traffic.add_sent(line.len());
        Ok(self.outbox.send(line).await?)
    }

    /// Ends the process; see [the module](super) for how. Cancelling the wait does not stop that.
    async fn close(&self) {
        self.stopping.cancel();
        // A process that does not end after it was killed is the supervisor's.
        let _ = timeout(CLOSE_LIMIT, self.over.cancelled()).await;
    }
}

/// Reads what the process writes, to the end of the stream or shortly past that of the process.
async fn read(
    stdout: &mut Lines<ChildStdout>,
    inbox: &mut Inbox,
    ending: &Ending,
    over: &CancellationToken,
) {
    loop {
        // Others get their turn between the lines of a flood.
        consume_budget().await;
        let line = tokio::select! {
            biased;
            line = stdout.next() => line,
            () = past_end(over) => return,
        };
        match line {
            Ok(Some(Text::Whole(line))) if !inbox.has_warned() => {
                inbox.text(&line);
                if inbox.has_warned() {
                    ending.wrote(line);
                }
            }
            Ok(Some(line)) => inbox.take(line),
            Ok(None) => return,
            Err(error) => return inbox.log(Level::Warn, &format!("cannot read stdout: {error}")),
        }
    }
}

/// Reads on when nobody wants it: a child that is stuck writing would not notice that its stdin was closed.
async fn drain(mut stdout: ChildStdout, process: &Process) {
    let mut buffer = vec![0; DRAIN_BYTES];
    let draining = async {
        while let Ok(bytes @ 1..) = stdout.read(&mut buffer).await {
            process.wrote(bytes);
        }
    };
    process.over.run_until_cancelled(draining).await;
}

fn child_environment(options: &StdioOptions, environment: &Environment) -> Vec<(String, String)> {
    let defaults = StdioWire::DEFAULT_ENVIRONMENT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), environment.get(name)?)))
        // Shell functions that bash exports.
        .filter(|(_, value)| !value.starts_with("()"));
    defaults.chain(options.env.iter().cloned()).collect()
}

fn stderr_of(options: &StdioOptions) -> Result<Stdio> {
    Ok(match options.stderr {
        Stderr::Inherit | Stderr::Descriptor(2) => platform::own_stderr(),
        Stderr::Ignore => Stdio::null(),
        Stderr::Pipe => Stdio::piped(),
        Stderr::Descriptor(number) => platform::descriptor(number).map_err(|error| {
            let problem = format!(
                "`stderr` is the file descriptor {number}, which this process cannot pass on: {error}"
            );
            cannot_start(options, &problem)
        })?,
    })
}

fn cannot_start(options: &StdioOptions, problem: &str) -> Error {
    let command = &options.command;
    let message = format!("Cannot start the MCP server command \"{command}\": {problem}");
    Error::new(Code::SpawnFailed, message)
}

/// What the error of the system leaves open: it is the same for a missing folder and a missing command, say.
fn problem(options: &StdioOptions, error: &io::Error) -> String {
    let cwd = Path::new(options.cwd.as_deref().unwrap_or_default());
    if options.cwd.is_some() && !cwd.is_dir() {
        let what = if cwd.exists() {
            "is not a folder"
        } else {
            "does not exist"
        };
        return format!("the working directory \"{}\" {what}", cwd.display());
    }
    let explanation = match error.kind() {
        io::ErrorKind::PermissionDenied if cwd.join(&options.command).is_dir() => "it is a folder",
        io::ErrorKind::PermissionDenied => {
            "this process may not execute it, or not enter its folder or the working directory"
        }
        io::ErrorKind::WouldBlock => "this process may not start more processes",
        _ if error.raw_os_error() == EXEC_FORMAT => {
            "it is no program for this system, and has no first line that begins with #!"
        }
        _ => return error.to_string(),
    };
    format!("{explanation} ({error})")
}

/// The system takes the file for no program.
#[cfg(unix)]
const EXEC_FORMAT: Option<i32> = Some(libc::ENOEXEC);
/// `ERROR_BAD_EXE_FORMAT`
#[cfg(windows)]
const EXEC_FORMAT: Option<i32> = Some(193);
