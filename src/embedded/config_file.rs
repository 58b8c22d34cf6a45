//! The file of a configuration, and whether it holds another.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::config::Config;
use crate::error::{Error, Result};
use crate::file_stamp::FileStamp;

/// Bytes of a file.
const LONGEST: u64 = 4 << 20;

/// A file that is looked at again and again.
pub struct ConfigFile {
    /// What errors call it.
    name: String,
    /// Where it is, wherever the process goes.
    path: PathBuf,
    looks: Mutex<Looks>,
}

struct Looks {
    /// What the file looked like when it was read last.
    read: Option<FileStamp>,
    /// The same when it was looked at last.
    last: Option<FileStamp>,
}

impl ConfigFile {
    /// Reads the file, which is not looked at again where it is none, but a pipe, say. Blocks on the file system.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), naming file, place and fault.
    pub fn open(name: &str) -> Result<(Config, Option<Self>)> {
        let path = std::path::absolute(name).unwrap_or_else(|_| name.into());
        // Before it is read: what is written meanwhile is seen by the next look.
        let stamp = FileStamp::of(&path);
        let config = read(name, &path)?;
        let file = path.is_file().then(|| Self {
            name: name.to_owned(),
            path,
            looks: Mutex::new(Looks {
                read: stamp.clone(),
                last: stamp,
            }),
        });
        Ok((config, file))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file holds, where it has changed since it was read last, and not since the look before: whoever writes it
    /// may not be done. Blocks on the file system.
    ///
    /// Fails as [`Self::open`], and where a document that had servers has no `mcpServers` any more: a file may have been cut
    /// off.
    pub fn look(&self) -> Option<Result<Config>> {
        let mut looks = self.looks.lock();
        let stamp = FileStamp::of(&self.path);
        let has_settled = looks.last == stamp;
        looks.last.clone_from(&stamp);
        if !has_settled || looks.read == stamp {
            return None;
        }
        let config = self.read_again();
        if FileStamp::of(&self.path) != stamp {
            return None;
        }
        looks.read = stamp;
        Some(config)
    }

    fn read_again(&self) -> Result<Config> {
        let name = &self.name;
        // To open a pipe is to wait for its writer.
        if self.path.exists() && !self.path.is_file() {
            return Err(Error::invalid_config(format!("{name} is no file any more")));
        }
        let config = read(name, &self.path)?;
        if !config.names_servers {
            return Err(Error::invalid_config(format!(
                "{name} has no `mcpServers` any more: `mcpServers: {{}}` would say that there are none"
            )));
        }
        Ok(config)
    }
}

fn read(name: &str, path: &Path) -> Result<Config> {
    let mut text = String::new();
    let reading =
        File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    let length = reading
        .map_err(|problem| Error::invalid_config(format!("{name} cannot be read: {problem}")))?;
    if length as u64 > LONGEST {
        return Err(Error::invalid_config(format!(
            "{name} is larger than 4 MiB"
        )));
    }
    Config::from_yaml(name, &text)
}

#[cfg(test)]
mod tests;
