//! Becoming the server's program, without a shell.
//!
//! The C library's `execvp`, which the standard library calls, hands a file that the kernel does not take for a program
//! to `/bin/sh`, and that runs whatever it makes of the bytes. `execve` fails.

#![expect(
    unsafe_code,
    reason = "`execve` takes pointers; each place explains itself"
)]

use std::ffi::{CString, NulError, c_char};
use std::io;
use std::ptr::null;

use indexmap::IndexMap;

/// Where programs are looked up that the child's environment has no `PATH` for, as in the C library.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program with its arguments and environment, made before the fork: nothing may be allocated after it.
pub(super) struct Program {
    /// Where it may be, in the order of `PATH`.
    paths: Vec<CString>,
    arguments: Strings,
    environment: Strings,
}

impl Program {
    /// Fails where a text has a NUL byte in it.
    pub(super) fn new(
        command: &str,
        args: &[String],
        environment: &[(String, String)],
    ) -> io::Result<Self> {
        // The later of two variables with one name counts.
        let environment: IndexMap<&str, &str> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let folders = environment.get("PATH").copied().unwrap_or(DEFAULT_PATH);
        let paths = if command.is_empty() {
            Vec::new()
        } else if command.contains('/') {
            vec![CString::new(command)?]
        } else {
            folders
                .split(':')
                .map(|folder| match folder {
                    // The working directory, as POSIX has it.
                    "" => CString::new(command),
                    folder => CString::new(format!("{folder}/{command}")),
                })
                .collect::<Result<_, _>>()?
        };
        let arguments = std::iter::once(command).chain(args.iter().map(String::as_str));
        Ok(Self {
            paths,
            arguments: Strings::new(arguments)?,
            environment: Strings::new(
                environment
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            )?,
        })
    }

    /// Turns this process into the program. Returns only where that fails, with the error of the system. For the time
    /// between fork and exec: allocates nothing.
    pub(super) fn exec(&self) -> io::Error {
        let mut problem = libc::ENOENT;
        for path in &self.paths {
            // SAFETY: the path is a C string, both lists are arrays of C strings that end with a null pointer, and all
            // of them live as long as `self`.
            unsafe {
                libc::execve(
                    path.as_ptr(),
                    self.arguments.pointers.as_ptr(),
                    self.environment.pointers.as_ptr(),
                );
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                // Another folder may have one that can be executed.
                Some(libc::EACCES) => problem = libc::EACCES,
                _ => return error,
            }
        }
        io::Error::from_raw_os_error(problem)
    }
}

/// An array of C strings as `execve` wants it.
struct Strings {
    pointers: Vec<*const c_char>,
    /// What the pointers lead to; never changed.
    _texts: Vec<CString>,
}

// SAFETY: the pointers lead to memory that `_texts` owns and nobody changes, so any thread may read it.
unsafe impl Send for Strings {}
// SAFETY: as above.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(texts: impl Iterator<Item: Into<Vec<u8>>>) -> Result<Self, NulError> {
        let texts = texts.map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        pointers.push(null());
        Ok(Self {
            pointers,
            _texts: texts,
        })
    }
}
