//! The configuration of a runtime, which follows its file.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::config::Config;
use super::config_file::ConfigFile;
use super::edition::{Difference, Edition};
use crate::blocking::blocking;
use crate::cancel::until_closed;
use crate::error::Result;
use crate::file_stamp::LOOK_AGAIN;
use crate::log::Logger;
use crate::manager::{Manager, Outdated, WeakManager};

/// So long after a change a call may still connect as it was before: it has waited for tokens, or for a user.
const LATE_CALLS: Duration = Duration::from_mins(15);

pub struct LiveConfig {
    edition: RwLock<Arc<Edition>>,
    file: Option<ConfigFile>,
    /// Why the file, as it is now, is not what counts.
    problem: Mutex<Option<String>>,
}

impl LiveConfig {
    /// That of a file. Blocks on the file system.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), naming file, place and fault.
    pub fn of_file(name: &str) -> Result<Self> {
        let (config, file) = ConfigFile::open(name)?;
        Ok(Self::new(config, file))
    }

    /// What a document stands for, which stays as it is.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), naming member and fault.
    pub fn of_value(document: Value) -> Result<Self> {
        Ok(Self::new(Config::from_value("config", document)?, None))
    }

    fn new(config: Config, file: Option<ConfigFile>) -> Self {
        Self {
            edition: RwLock::new(Arc::new(Edition::new(config))),
            file,
            problem: Mutex::default(),
        }
    }

    /// What counts for a call that begins now.
    pub fn edition(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.read())
    }

    /// What is wrong with the file since it has changed. What it held before counts.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    pub const fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Looks at the file until the runtime closes, or nobody has it any more.
    pub fn follow(self: &Arc<Self>, manager: &Manager, logger: Logger) {
        let closing = manager.closing().clone();
        let mut follower = Follower {
            live: Arc::downgrade(self),
            manager: manager.downgrade(),
            logger,
            removed: Vec::new(),
            late_until: None,
        };
        manager.spawn(async move {
            while until_closed(&closing, sleep(LOOK_AGAIN)).await.is_ok()
                && matches!(until_closed(&closing, follower.look()).await, Ok(true))
            {}
        });
    }

    /// Blocks on the file system. `None` where what counts stays as it is.
    fn look(&self, logger: &Logger) -> Option<Difference> {
        let file = self.file.as_ref()?;
        match file.look()? {
            Ok(config) => {
                let wrong = config.wrong_rule();
                let problem = wrong.map(|wrong| format!("{}: {wrong}", file.name()));
                if let Some(problem) = &problem {
                    let left = "what is done with this server fails";
                    logger.warn(format!("[MCP] {problem}; {left}"));
                }
                *self.problem.lock() = problem;
                let (edition, difference) = self.edition().followed_by(config);
                *self.edition.write() = Arc::new(edition);
                logger.info(format!(
                    "[MCP] {} was read again{}",
                    file.name(),
                    difference.to_text()
                ));
                Some(difference)
            }
            Err(error) => {
                let problem = error.message;
                logger.warn(format!(
                    "[MCP] {problem}; what was read before stays in use"
                ));
                *self.problem.lock() = Some(problem);
                None
            }
        }
    }
}

/// Who looks at a file, and ends what it does not allow any more.
struct Follower {
    live: Weak<LiveConfig>,
    manager: WeakManager,
    logger: Logger,
    /// Servers of which late calls may make connections.
    removed: Vec<String>,
    /// When no such call is left.
    late_until: Option<Instant>,
}

impl Follower {
    /// Whether there is still somebody to look for.
    async fn look(&mut self) -> bool {
        let Some(live) = self.live.upgrade() else {
            return false;
        };
        let (looking, logger) = (Arc::clone(&live), self.logger.clone());
        let look = move || looking.look(&logger);
        let looked = blocking(async { tokio::task::spawn_blocking(look).await }).await;
        let Some(manager) = self.manager.upgrade() else {
            return false;
        };
        // A look for which the system gave no thread comes to nothing, as where nothing has changed.
        let difference = looked.ok().and_then(Result::ok).flatten();
        self.apply(difference, &live.edition(), &manager);
        true
    }

    fn apply(&mut self, difference: Option<Difference>, edition: &Edition, manager: &Manager) {
        let now = Instant::now();
        if self.late_until.is_some_and(|until| until <= now) {
            self.late_until = None;
            self.removed.clear();
        }
        if difference.is_none() && self.late_until.is_none() {
            return;
        }
        let difference = difference.unwrap_or_default();
        if difference.rules || !difference.removed.is_empty() {
            self.late_until = Some(now + LATE_CALLS);
        }
        manager.forget_failures(&difference.changed);
        manager.forget_failures(&difference.removed);
        self.removed.extend(difference.removed);
        let servers = &edition.config.servers;
        self.removed.retain(|name| !servers.contains_key(name));
        manager.end_outdated(&Outdated {
            removed: &self.removed,
            changed: &difference.changed,
            rules: &edition.config.rules,
        });
    }
}
