//! Process groups and the parent-death signal.

#![cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "`pre_exec` runs between fork and exec; what it calls is explained there"
    )
)]

use std::io;

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid,
};
use tokio::process::{Child, Command};

/// A command that will lead its own process group. It is looked up in the `PATH` of the child's environment.
pub(super) fn command(program: &str, _env: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    #[cfg(target_os = "linux")]
    die_with_parent(&mut command);
    command
}

/// Has the kernel kill the child when this process dies, however it dies. Processes the child started do not get the
/// signal; they see the end of the stdin they share with it.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let between_fork_and_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before the line above sends no signal any more.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from(rustix::io::Errno::SRCH))
        }
    };
    // SAFETY: only the system calls prctl and getppid are made, both async-signal-safe; nothing is allocated (an
    // `io::Error` from an errno is a plain number), locked or borrowed from the parent.
    unsafe {
        command.pre_exec(between_fork_and_exec);
    }
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
