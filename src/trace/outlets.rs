//! The thread that makes lines of records, and where those go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use super::lines::{self, Line};
use super::queue::State;
use super::record::Record;
use super::redact::Redactor;

/// How many lines go out together.
const AT_ONCE: usize = 64;

/// Takes lines for the host, unless it has no room for them.
pub type Deliver = Box<dyn Fn(Vec<String>) -> bool + Send>;

/// Tells the operator.
pub type Warn = Box<dyn Fn(String) + Send + Sync>;

/// Where lines go.
#[derive(Default)]
pub struct Outlets {
    pub file: Option<File>,
    pub host: Option<Deliver>,
    /// Hears, once, that the file takes no more.
    pub warn: Arc<OnceLock<Warn>>,
    was_warned: bool,
    /// Lines that the file, and the host, did not take.
    unwritten: usize,
    unheard: usize,
}

impl Outlets {
    /// A file that lines are added to, which nobody but its owner reads if it is made for this. A pipe that nobody reads
    /// fails.
    pub fn open(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // The runtime waits for nobody who may read a pipe some day.
            options.mode(0o600).custom_flags(libc::O_NONBLOCK);
        }
        options.open(path)
    }

    /// Runs until nobody is left who could tell anything.
    pub(super) fn serve(mut self, records: &Receiver<Record>, state: &State) {
        let mut redactor = Redactor::default();
        while let Ok(first) = records.recv() {
            let (mut batch, mut size) = (Vec::new(), 0);
            for record in std::iter::once(first)
                .chain(records.try_iter())
                .take(AT_ONCE)
            {
                size += record.size();
                batch.push(lines::of(&record, &mut redactor));
            }
            let lost = state.lost();
            if lost > 0 {
                batch.push(lines::lost(lost));
            }
            self.write(batch);
            state.done(size);
        }
    }

    fn write(&mut self, mut batch: Vec<Line>) {
        let count = batch.len();
        if let Some(file) = &mut self.file {
            let mut text = String::new();
            if self.unwritten > 0 {
                // What failed may have left a part of a line.
                text = format!("\n{}\n", lines::lost(self.unwritten));
            }
            for line in &batch {
                text += line;
                text.push('\n');
            }
            // One write keeps the lines of processes apart. A disk that is full loses these lines, and nothing else.
            self.unwritten = match file.write_all(text.as_bytes()) {
                Ok(()) => 0,
                Err(error) => {
                    if let Some(warn) = self.warn.get().filter(|_| !self.was_warned) {
                        self.was_warned = true;
                        warn(format!(
                            "[MCP] MCP_NATIVE_TRACE: records are lost, the file cannot be written: {error}"
                        ));
                    }
                    self.unwritten + count
                }
            };
        }
        if let Some(deliver) = &self.host {
            if self.unheard > 0 {
                batch.insert(0, lines::lost(self.unheard));
            }
            self.unheard = if deliver(batch) {
                0
            } else {
                self.unheard + count
            };
        }
    }
}
