//! What is kept of a server's tools for one tenant: which definitions are approved, and which wait for that.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::definition::{Definition, HASH};
use super::diff::{Difference, diff};
use crate::foreign_text::SentSecrets;
use crate::nesting::parse;

/// Who approved what was there when a server was first seen.
const FIRST_SIGHT: &str = "first-sight";
/// A first list may have many pages; what comes later than this is not part of it.
const LONGEST_FIRST_SIGHT_MS: i64 = 10 * 60 * 1000;
/// Definitions of one tool: lists may differ by user.
const MOST_APPROVED: usize = 16;
/// Those of one tool that wait; the newest stay.
const MOST_PENDING: usize = 4;
/// Those that are told of while nobody approves one.
const MOST_TOLD: usize = 32;
/// The finding of the last of them.
const MANY: &str = "many-definitions";
/// Tools that were never approved; the newest stay.
const MOST_NEW_TOOLS: usize = 1000;
/// Texts of definitions, which only diffs need, in bytes: of one, and of all.
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_TEXTS: usize = 2 * 1024 * 1024;
/// No record is longer, in bytes.
pub const LONGEST_RECORD: usize = 8 * 1024 * 1024;
const VERSION: u64 = 1;

/// One definition of a tool.
#[derive(Clone)]
struct Version {
    hash: String,
    /// In canonical form, but for secrets. Empty where it is not kept.
    text: String,
    /// When it was approved, or seen first, in milliseconds since the epoch.
    at: i64,
    /// Who approved it. Empty while nobody has.
    by: String,
    findings: Vec<String>,
}

#[derive(Default)]
struct Tool {
    approved: Vec<Version>,
    pending: Vec<Version>,
    /// Hashes of what has waited before, so that it is told of once.
    dropped: Vec<String>,
    is_removed: bool,
}

/// A record, as the store of the host has it as JSON.
pub struct Record {
    /// When the server was first seen, in milliseconds since the epoch.
    since: i64,
    /// Not all pages of the first list have been seen.
    is_first_sight: bool,
    tools: BTreeMap<String, Tool>,
}

/// What is reported once.
pub struct Change {
    pub name: String,
    /// `new`, `changed`, `removed`, or `approved`.
    pub kind: &'static str,
    pub hash: String,
    pub findings: Vec<String>,
    pub diff: Vec<Difference>,
}

/// A tool that somebody approves, where it is named, in this definition alone.
pub struct Approval {
    pub name: String,
    pub hash: Option<String>,
}

impl Record {
    pub const fn begun(now: i64) -> Self {
        Self {
            since: now,
            is_first_sight: true,
            tools: BTreeMap::new(),
        }
    }

    /// Takes tools that a server has listed. `blocks`: what the scan finds something in is not approved at first sight.
    /// Nothing of `sent` is kept or told, but for names. Says whether the record is another now.
    pub fn note(
        &mut self,
        listed: &[&Definition],
        blocks: bool,
        now: i64,
        sent: &SentSecrets,
        changes: &mut Vec<Change>,
    ) -> bool {
        let is_over = now.saturating_sub(self.since) > LONGEST_FIRST_SIGHT_MS;
        let mut is_other = self.is_first_sight && is_over;
        self.is_first_sight &= !is_over;
        let mut names = HashSet::new();
        for definition in listed {
            let is_again = !names.insert(&definition.name);
            let is_first = self.is_first_sight;
            let tool = self.tools.entry(definition.name.clone()).or_default();
            is_other |= std::mem::take(&mut tool.is_removed);
            let hash = &definition.hash;
            let mut known = tool.approved.iter().chain(&tool.pending);
            if known.any(|version| version.hash == *hash) {
                continue;
            }
            let was_told = tool.dropped.contains(hash);
            let told = tool.pending.len() + tool.dropped.len();
            if is_again && (was_told || told >= MOST_TOLD) {
                // A list with many definitions of one tool would change the record every time.
                continue;
            }
            is_other = true;
            let mut findings: Vec<_> = definition
                .findings()
                .into_iter()
                .map(str::to_owned)
                .collect();
            let text = sent.cut_out(&definition.text);
            let is_unknown = tool.approved.is_empty() && tool.pending.is_empty();
            let is_approvable = hash.starts_with(HASH) && (findings.is_empty() || !blocks);
            let is_approved = is_first && is_unknown && is_approvable;
            if told + 1 == MOST_TOLD && !was_told {
                findings.push(MANY.to_owned());
            }
            let is_told = told < MOST_TOLD && !was_told;
            if is_told && (!is_approved || !findings.is_empty()) {
                let before = tool.approved.last();
                changes.push(Change {
                    name: definition.name.clone(),
                    kind: if before.is_some() { "changed" } else { "new" },
                    hash: hash.clone(),
                    findings: findings.clone(),
                    diff: before.map_or_else(Vec::new, |it| diff(&it.text, &text).found),
                });
            }
            let is_kept = definition.text.len() <= LONGEST_TEXT;
            let version = Version {
                hash: hash.clone(),
                text: if is_kept { text } else { String::new() },
                at: now,
                by: if is_approved { FIRST_SIGHT } else { "" }.to_owned(),
                findings,
            };
            if is_approved {
                push(&mut tool.approved, MOST_APPROVED, version);
            } else {
                tool.wait(version);
            }
        }
        if is_other {
            self.forget_oldest();
        }
        is_other
    }

    /// The first list has been seen to its end. Says whether that was not known.
    pub const fn end_first_sight(&mut self) -> bool {
        std::mem::replace(&mut self.is_first_sight, false)
    }

    /// Notes which of the approved tools the server has no more: of those in `among`, or of all.
    pub fn note_removed(
        &mut self,
        listed: &HashSet<String>,
        among: Option<&HashSet<String>>,
        changes: &mut Vec<Change>,
    ) -> bool {
        let mut is_other = false;
        for (name, tool) in &mut self.tools {
            let is_missing =
                !listed.contains(name) && among.is_none_or(|among| among.contains(name));
            let Some(version) = tool.approved.last().filter(|_| is_missing) else {
                continue;
            };
            if tool.is_removed {
                continue;
            }
            tool.is_removed = true;
            is_other = true;
            changes.push(Change {
                name: name.clone(),
                kind: "removed",
                hash: version.hash.clone(),
                findings: Vec::new(),
                diff: Vec::new(),
            });
        }
        is_other
    }

    /// Approves what waits: the newest definition of each tool, or of those that are named. Definitions that nobody can
    /// read in one way alone are not approved.
    pub fn approve(
        &mut self,
        wanted: Option<&[Approval]>,
        by: &str,
        now: i64,
        approved: &mut Vec<Change>,
    ) -> bool {
        let before = approved.len();
        for (name, tool) in &mut self.tools {
            let all = Approval {
                name: name.clone(),
                hash: None,
            };
            let wanted = wanted.unwrap_or(std::slice::from_ref(&all));
            for approval in wanted.iter().filter(|it| it.name == *name) {
                let is_meant = |version: &Version| match &approval.hash {
                    Some(hash) => version.hash == *hash,
                    None => true,
                };
                let Some(at) = tool.pending.iter().rposition(is_meant) else {
                    continue;
                };
                if !tool.pending[at].hash.starts_with(HASH) {
                    continue;
                }
                let mut version = tool.pending.remove(at);
                version.at = now;
                by.clone_into(&mut version.by);
                approved.push(Change {
                    name: name.clone(),
                    kind: "approved",
                    hash: version.hash.clone(),
                    findings: version.findings.clone(),
                    diff: Vec::new(),
                });
                if approval.hash.is_none() {
                    // Older ones than the newest are shown by nobody any more.
                    tool.pending.clear();
                }
                tool.dropped.clear();
                push(&mut tool.approved, MOST_APPROVED, version);
            }
        }
        approved.len() > before
    }

    /// Hashes of what is approved, by tool.
    pub fn approved(&self) -> BTreeMap<String, Vec<String>> {
        let hashes = |tool: &Tool| tool.approved.iter().map(|it| it.hash.clone()).collect();
        let tools = self.tools.iter();
        tools
            .map(|(name, tool)| (name.clone(), hashes(tool)))
            .collect()
    }

    /// `getToolPins`: a JSON array.
    pub fn states(&self) -> Value {
        let tools = self.tools.iter();
        Value::Array(tools.map(|(name, tool)| tool.state(name)).collect())
    }

    fn forget_oldest(&mut self) {
        let mut new: Vec<_> = self
            .tools
            .iter()
            .filter(|(_, tool)| tool.approved.is_empty())
            .map(|(name, tool)| (tool.pending.last().map_or(0, |it| it.at), name.clone()))
            .collect();
        if new.len() > MOST_NEW_TOOLS {
            new.sort();
            for (_, name) in &new[..new.len() - MOST_NEW_TOOLS] {
                self.tools.remove(name);
            }
        }
        let mut left = LONGEST_TEXTS;
        for tool in self.tools.values_mut() {
            for version in tool
                .pending
                .iter_mut()
                .chain(tool.approved.iter_mut().rev())
            {
                match left.checked_sub(version.text.len()) {
                    Some(rest) => left = rest,
                    None => version.text = String::new(),
                }
            }
        }
    }

    /// `None` for what is no record.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_RECORD {
            return None;
        }
        let value: Value = parse(text, 16).ok()?;
        if value.get("v")?.as_u64()? != VERSION {
            return None;
        }
        let mut tools = BTreeMap::new();
        for (name, tool) in value.get("tools")?.as_object()? {
            let versions = |member| -> Option<Vec<Version>> {
                let list = tool.get(member)?.as_array()?.iter();
                list.map(Version::read).collect()
            };
            let tool = Tool {
                approved: versions("approved")?,
                pending: versions("pending")?,
                dropped: tool
                    .get("dropped")
                    .map_or(Some(Vec::new()), Version::texts)?,
                is_removed: tool.get("removed")?.as_bool()?,
            };
            tools.insert(name.clone(), tool);
        }
        Some(Self {
            since: value.get("since")?.as_i64()?,
            is_first_sight: value.get("firstSight")?.as_bool()?,
            tools,
        })
    }

    pub fn to_text(&self) -> String {
        let mut tools = Map::new();
        for (name, tool) in &self.tools {
            let list = |versions: &[Version]| versions.iter().map(Version::write).collect();
            let mut object = Map::new();
            object.insert("approved".to_owned(), Value::Array(list(&tool.approved)));
            object.insert("pending".to_owned(), Value::Array(list(&tool.pending)));
            if !tool.dropped.is_empty() {
                object.insert("dropped".to_owned(), tool.dropped.clone().into());
            }
            object.insert("removed".to_owned(), tool.is_removed.into());
            tools.insert(name.clone(), Value::Object(object));
        }
        let mut object = Map::new();
        object.insert("v".to_owned(), VERSION.into());
        object.insert("since".to_owned(), self.since.into());
        object.insert("firstSight".to_owned(), self.is_first_sight.into());
        object.insert("tools".to_owned(), Value::Object(tools));
        Value::Object(object).to_string()
    }
}

impl Tool {
    fn wait(&mut self, version: Version) {
        self.dropped.retain(|hash| *hash != version.hash);
        self.pending.push(version);
        if self.pending.len() > MOST_PENDING {
            self.dropped.push(self.pending.remove(0).hash);
        }
        if self.dropped.len() > MOST_TOLD {
            self.dropped.remove(0);
        }
    }
}

/// The newest stay.
fn push(list: &mut Vec<Version>, most: usize, version: Version) {
    list.push(version);
    if list.len() > most {
        list.remove(0);
    }
}

mod json;
#[cfg(test)]
mod tests;
