//! What a child starts with, and process groups.

#![expect(
    unsafe_code,
    reason = "`pre_exec` runs between fork and exec, and descriptors are numbers; each place explains itself"
)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid,
};
use tokio::process::{Child, Command};

use super::StdioOptions;
use super::exec::Program;

/// A command that will lead its own process group. It is looked up in the `PATH` of `env`, the child's environment.
pub(super) fn command(options: &StdioOptions, env: &[(String, String)]) -> io::Result<Command> {
    let program = Program::new(&options.command, &options.args, env)?;
    let mut command = Command::new(&options.command);
    command.process_group(0);
    #[cfg(target_os = "linux")]
    let parent = rustix::process::getpid();
    let between_fork_and_exec = move || {
        #[cfg(target_os = "linux")]
        {
            die_with_parent(parent)?;
            keep_descriptors_back();
        }
        keep_standard_streams();
        Err(program.exec())
    };
    // SAFETY: nothing but the system calls prctl, getppid, close_range, fcntl and execve is made, all async-signal-safe;
    // nothing is allocated (an `io::Error` from an errno is a plain number) or locked, and `program` was made before.
    unsafe {
        command.pre_exec(between_fork_and_exec);
    }
    Ok(command)
}

/// Has the kernel kill the child when this process dies, however it dies. Processes the child started do not get the
/// signal; they see the end of the stdin they share with it.
#[cfg(target_os = "linux")]
fn die_with_parent(parent: Pid) -> io::Result<()> {
    use rustix::process::{getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before the line above sends no signal any more.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::from(rustix::io::Errno::SRCH))
    }
}

/// Closes everything but the standard streams with exec, whoever opened it without that flag: what this process was
/// started with, or other addons. Kernels before 5.11 cannot, and leave it at what was marked when it was opened.
#[cfg(target_os = "linux")]
fn keep_descriptors_back() {
    // SAFETY: the call takes numbers only. It is made by number, since older C libraries have no function for it.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// A stream that already had its number, because this process had closed that, was not duplicated, and has kept its
/// close-on-exec flag.
fn keep_standard_streams() {
    for descriptor in 0..=2 {
        // SAFETY: the call takes numbers only, and fails where nothing is open.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, 0);
        }
    }
}

/// This process's stderr. A duplicate, since Node marks its own descriptors as close-on-exec: the child would begin
/// without any, and take the first file that it opens for its stderr.
pub(super) fn own_stderr() -> Stdio {
    let duplicate = io::stderr().as_fd().try_clone_to_owned();
    duplicate.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Another descriptor of this process. Fails where nothing is open there.
pub(super) fn descriptor(number: u32) -> io::Result<Stdio> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the borrow lasts for one call, which fails where nothing is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(borrowed.try_clone_to_owned()?.into())
}

/// `exited with status 3`, `was killed by SIGSEGV`.
pub(super) fn how(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exited with status {code}");
    }
    // The standard library knows the names of signals, and shows them: `signal: 11 (SIGSEGV) (core dumped)`.
    let shown = status.to_string();
    let name = shown
        .split(['(', ')'])
        .find(|part| part.starts_with("SIG"))
        .map(str::to_owned);
    let signal = name.or_else(|| Some(format!("signal {}", status.signal()?)));
    format!("was killed by {}", signal.unwrap_or(shown))
}

/// The process group that a child leads.
///
/// The number stays taken as long as the child is not reaped or any member lives. Callers check
/// [`Group::has_members`] at short intervals and stop at the first `false`, so a signal cannot reach a later process
/// that got the same number.
pub(super) struct Group(Option<Pid>);

impl Group {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "Windows, which shares the interface, can fail"
    )]
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self(id.and_then(Pid::from_raw)))
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It fails when the group is over already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether anything is left of the group. To be asked only after its leader was reaped.
    pub(super) fn has_members(&self) -> bool {
        let Some(group) = self.0 else { return false };
        // Where this process is the init of a container, or a subreaper, orphans of the group are its children now.
        while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
        test_kill_process_group(group).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        for (raw, told) in [
            (0, "exited with status 0"),
            (3 << 8, "exited with status 3"),
            (255 << 8, "exited with status 255"),
            (11, "was killed by SIGSEGV"),
            (128 | 6, "was killed by SIGABRT"),
            (9, "was killed by SIGKILL"),
        ] {
            assert_eq!(how(ExitStatus::from_raw(raw)), told);
        }
        let realtime = how(ExitStatus::from_raw(40));
        assert!(
            realtime.contains("40") || realtime.contains("SIGRT"),
            "{realtime}"
        );
    }
}
