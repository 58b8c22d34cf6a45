//! What is wrong with a member of a config, and where it is.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

pub type Members = Map<String, Value>;

/// What is wrong, and the path to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: Vec<String>,
    pub message: String,
}

impl Problem {
    pub fn below(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let (path, message) = (problem.path.join("."), problem.message);
        Self::invalid_config(format!("Invalid MCP server config: `{path}` {message}"))
    }
}

pub type Checked = Result<(), Problem>;

pub fn problem(path: &[&str], message: impl Into<String>) -> Problem {
    Problem {
        path: path.iter().map(|part| (*part).to_owned()).collect(),
        message: message.into(),
    }
}

/// `null` is as good as absent, as elsewhere in a config.
pub fn present<'m>(members: &'m Members, name: &str) -> Option<&'m Value> {
    members.get(name).filter(|value| !value.is_null())
}
