//! The steps that write rows.

use crate::fleet::Mutant;
use crate::process::Turn;
use crate::step::{Commit, Ended, Row, Step};
use crate::world::{Token, excuse};

impl Turn<'_> {
    pub fn compare(&mut self, commit: Commit) {
        let fits = match commit.from {
            Some(_) => {
                commit.refresh == commit.from
                    && commit.client == commit.from
                    && (commit.access.is_none() || commit.access == commit.from)
            }
            None => {
                commit.access.is_none() || commit.client.is_none() || commit.access == commit.client
            }
        };
        if fits || self.is(Mutant::NoCompare) {
            self.to(Step::Replace(commit));
        } else {
            self.is_refused(commit);
        }
    }

    pub fn replace(&mut self, commit: Commit) {
        let row = commit.order()[commit.done as usize];
        let (read, got) = (commit.read(row), commit.got);
        let blindly = self.is(Mutant::NoCompare);
        let is_replaced = match (row, read) {
            (Row::Access, None) => {
                self.create_access(got);
                true
            }
            (Row::Access, Some(read)) => {
                let mut rows = self.world.access.iter_mut();
                let it = rows.find(|it| blindly || **it == read);
                it.map(|it| *it = got).is_some()
            }
            (Row::Refresh, read) => replace_if(&mut self.world.refresh, read, got, blindly),
            (Row::Client, read) => replace_if(&mut self.world.client, read, got, blindly),
        };
        if is_replaced {
            self.written(commit);
        } else {
            self.to(Step::ReplaceLook(commit));
        }
    }

    /// The only write that is not compared with what was read.
    pub fn create_access(&mut self, got: Token) {
        if self.world.processes[self.at].is_late {
            self.world.excuse(excuse::OVERSLEPT);
        }
        self.world.access.push(got);
    }

    pub fn replace_look(&mut self, commit: Commit) {
        let row = commit.order()[commit.done as usize];
        let now = match row {
            Row::Access => self.world.access.first().copied(),
            Row::Refresh => self.world.refresh,
            Row::Client => self.world.client,
        };
        let has_expired = commit.read(row).is_some_and(|it| self.world.is_expired(it));
        match now {
            Some(now) if now == commit.got => self.written(commit),
            None if row == Row::Access && has_expired => self.to(Step::Create(commit)),
            _ => {
                let read = commit.read(row);
                if now.is_none() && read.is_some() && read == self.world.discarded {
                    self.world.excuse(excuse::GIVEN_UP);
                }
                self.undo_or_end(commit);
            }
        }
    }

    pub fn written(&mut self, mut commit: Commit) {
        commit.done += 1;
        if commit.done < 3 {
            return self.to(Step::Replace(commit));
        }
        self.world.stored |= 1 << commit.got;
        self.end(Ended::Token(commit.got));
    }

    fn undo_or_end(&mut self, commit: Commit) {
        if commit.done == 0 || self.is(Mutant::NoUndo) {
            self.is_refused(commit);
        } else {
            self.to(Step::Undo(commit));
        }
    }

    /// The rows are another process's, as far as it has come.
    fn is_refused(&mut self, commit: Commit) {
        let world = &mut *self.world;
        if commit.from.is_none() {
            world.excuse(excuse::LOGIN_REFUSED);
            let discarded = world.discarded.is_some();
            world.faults.kept_out |= discarded && world.access.first() == world.discarded.as_ref();
        }
        self.end(Ended::Asked);
    }

    pub fn undo(&mut self, mut commit: Commit) {
        commit.done -= 1;
        let row = commit.order()[commit.done as usize];
        let (read, got) = (commit.read(row), commit.got);
        let world = &mut *self.world;
        match (row, read) {
            (Row::Access, Some(read)) if !commit.is_created => {
                if let Some(it) = world.access.iter_mut().find(|it| **it == got) {
                    *it = read;
                }
            }
            (Row::Access, _) => world.access.retain(|&it| it != got),
            (Row::Refresh, read) if world.refresh == Some(got) => world.refresh = read,
            (Row::Client, read) if world.client == Some(got) => world.client = read,
            _ => {}
        }
        self.undo_or_end(commit);
    }
}

/// A row that is not there is created; who reads none of these two is the only one that logs in.
fn replace_if(row: &mut Option<Token>, read: Option<Token>, got: Token, blindly: bool) -> bool {
    let is_replaced = blindly || *row == read;
    if is_replaced {
        *row = Some(got);
    }
    is_replaced
}
