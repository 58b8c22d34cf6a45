//! What a child starts with, and job objects.

#![expect(
    unsafe_code,
    reason = "the job object functions of the Windows API; each call is explained at its place"
)]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::ptr::{from_ref, null};

use tokio::process::{Child, Command};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

use super::StdioOptions;

/// Extensions of programs, in the order of Windows' default `PATHEXT`.
const EXTENSIONS: [&str; 4] = ["com", "exe", "bat", "cmd"];

/// A command without a console window. `env` is the child's environment.
#[expect(
    clippy::unnecessary_wraps,
    reason = "Unix, which shares the interface, can fail"
)]
pub(super) fn command(options: &StdioOptions, env: &[(String, String)]) -> io::Result<Command> {
    let mut command = Command::new(find(&options.command, env));
    command.creation_flags(CREATE_NO_WINDOW);
    Ok(command)
}

/// This process's stderr.
pub(super) fn own_stderr() -> Stdio {
    Stdio::inherit()
}

/// Windows knows handles; the numbers of the C library are its own affair.
pub(super) fn descriptor(_number: u32) -> io::Result<Stdio> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "on Windows only 2 leads anywhere",
    ))
}

/// `exited with status 3`; what Windows ends a process with is better known in hexadecimal.
pub(super) fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code @ 0..) => format!("exited with status {code}"),
        Some(code) => format!("exited with status {code:#x}"),
        None => format!("ended: {status}"),
    }
}

/// Finds `npx.cmd` and its like, which the standard library does not look for.
fn find(program: &str, env: &[(String, String)]) -> PathBuf {
    let path = Path::new(program);
    let extension = path.extension().and_then(|extension| extension.to_str());
    if extension.is_some_and(|found| EXTENSIONS.iter().any(|ext| ext.eq_ignore_ascii_case(found))) {
        return path.to_owned();
    }
    let search = env
        .iter()
        .rev()
        .find(|(name, _)| name.eq_ignore_ascii_case("PATH"))
        .map_or("", |(_, value)| value);
    let folders: Vec<PathBuf> = if path.components().count() > 1 {
        vec![PathBuf::new()]
    } else {
        std::env::split_paths(search).collect()
    };
    folders
        .iter()
        .flat_map(|folder| EXTENSIONS.map(|ext| folder.join(format!("{program}.{ext}"))))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| path.to_owned())
}

/// A job that holds a child and whatever it starts. Closing its last handle, as the end of this process does, ends
/// them all. A process that the child starts before it is assigned stays outside.
pub(super) struct Group(OwnedHandle);

impl Group {
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        // SAFETY: both arguments may be null: default security, no name.
        let job = unsafe { CreateJobObjectW(null(), null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above returned this handle, and nothing else owns it.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
        // SAFETY: `limits` is of the type that the class names, `size` is its size, and it outlives the call.
        let limited = unsafe {
            SetInformationJobObject(
                job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                from_ref(&limits).cast(),
                size,
            )
        };
        if limited == 0 {
            return Err(io::Error::last_os_error());
        }
        if let Some(process) = child.raw_handle() {
            // SAFETY: both handles are open: `child` and `job` own them and are borrowed here.
            let assigned = unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) };
            if assigned == 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self(job))
    }

    /// Windows has no signal to ask with.
    pub(super) fn terminate(&self) {
        self.kill();
    }

    pub(super) fn kill(&self) {
        // SAFETY: the handle is open as long as `self` lives. Failure means that nothing is left to end.
        unsafe {
            TerminateJobObject(self.0.as_raw_handle(), 1);
        }
    }

    /// What is left ends with the job's handle.
    #[expect(
        clippy::unused_self,
        reason = "Unix, which shares the interface, looks"
    )]
    pub(super) fn has_members(&self) -> bool {
        false
    }
}
