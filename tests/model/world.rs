//! What processes share: the authorization server, the rows, and who holds what.

use crate::fleet::{Budget, Fleet, Guard, Kind, Reuse};
use crate::step::{At, Ended, Step};

/// Tokens, and the credential set that they are stored as, by the number of the answer that they came with.
pub type Token = u8;

/// What a token may be lost by, and nothing else.
pub mod excuse {
    /// A process died between the answer of the authorization server and its last row.
    pub const CRASHED: u16 = 1;
    /// A request was given up while it was under way: the token was or will be used all the same.
    pub const ANSWER_LOST: u16 = 1 << 1;
    /// A process was held up past its lock between its look at the time (`LibreChat`'s own: its lock) and its last row.
    pub const OVERSLEPT: u16 = 1 << 2;
    /// Whoever kept the fence was held up or dead for longer than one with an answer waits.
    pub const FENCE_KEPT: u16 = 1 << 3;
    /// The user has logged out.
    pub const TORN_DOWN: u16 = 1 << 4;
    /// Nothing that is exact keeps the processes apart, and two refreshed at once.
    pub const NOT_APART: u16 = 1 << 5;
    /// A login was not stored because another process wrote meanwhile, or has died between rows that nobody has read since.
    pub const LOGIN_REFUSED: u16 = 1 << 6;
    /// What came back for a refresh that was begun before a teardown is not stored, though its token may be of a login
    /// after it.
    pub const USED_UP: u16 = 1 << 7;
    /// A reader that gave up on a slow writer has removed the access token that another refresh was about to replace.
    pub const GIVEN_UP: u16 = 1 << 8;
}

/// Why a user may be asked though the tokens are good.
pub mod nuisance {
    /// A refresh was not sent because its preparation was held up past the lock.
    pub const TOO_LATE: u8 = 1;
    /// A writer was held up, or died, between two rows for longer than readers look.
    pub const SLOW_WRITE: u8 = 1 << 1;
    /// `LibreChat`'s own manager, which looks once, has read between two rows.
    pub const READ_BETWEEN: u8 = 1 << 2;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    pub kind: Kind,
    pub step: Step,
    pub is_paused: bool,
    /// The lock, or the flight of leases. Each acquisition has a value of its own, so it cannot be taken for another's.
    pub lock: bool,
    pub fence: bool,
    /// The claim that stands in the flow store is this process's.
    pub claim: bool,
    pub is_inside: bool,
    /// It went on without the lock.
    pub is_alone: bool,
    /// Its lock has ended before it was released, or what it looked at is out of date.
    pub is_late: bool,
    pub generation: u8,
    /// Only a mutant goes by what it saw before the lock.
    pub seen: Option<Token>,
}

impl Process {
    pub fn has_ended(&self) -> bool {
        matches!(self.step, Step::Ended(_) | Step::Crashed)
    }

    /// Whether it does nothing for now, for all that others know.
    pub fn is_away(&self) -> bool {
        self.is_paused || self.step == Step::Crashed
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What each answer of the authorization server came from; `None` for a login.
    pub parents: Vec<Option<Token>>,
    /// Refresh tokens that it takes, a bit each; `used`: that it has taken.
    pub live: u8,
    pub used: u8,
    /// Requests that nobody waits for any more.
    pub wire: Vec<Token>,
    /// `LibreChat`'s collection takes two rows of one name; the first is found.
    pub access: Vec<Token>,
    pub refresh: Option<Token>,
    pub client: Option<Token>,
    /// The last access token that was given up because it belongs to no client.
    pub discarded: Option<Token>,
    /// Access tokens up to this one have expired.
    pub expired: Token,
    pub generation: u8,
    /// Answers up to this one are of before the teardown.
    pub torn_down: u8,
    pub processes: Vec<Process>,
    pub budget: Budget,
    /// Since the last login.
    pub excuses: u16,
    pub all_excuses: u16,
    pub nuisances: u8,
    /// Answers of which all rows were written.
    pub stored: u8,
    /// What has happened, and never should.
    pub faults: Faults,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    pub used_twice: bool,
    pub mixed: bool,
    pub refreshed_good: bool,
    pub asked_for_nothing: bool,
    pub kept_out: bool,
}

impl World {
    pub fn new(fleet: &Fleet) -> Self {
        let process = |&kind| Process {
            kind,
            step: if kind == Kind::LibreChat && fleet.guard.has_claims() {
                Step::IsClaimed
            } else {
                Step::ReadAccess(At::Start)
            },
            is_paused: false,
            lock: false,
            fence: false,
            claim: false,
            is_inside: false,
            is_alone: false,
            is_late: false,
            generation: 0,
            seen: None,
        };
        Self {
            parents: vec![None],
            live: 1,
            used: 0,
            wire: Vec::new(),
            access: vec![0],
            refresh: Some(0),
            client: Some(0),
            discarded: None,
            expired: 0,
            generation: 0,
            torn_down: 0,
            processes: fleet.kinds.iter().map(process).collect(),
            budget: fleet.budget,
            excuses: 0,
            all_excuses: 0,
            nuisances: 0,
            stored: 0,
            faults: Faults::default(),
        }
    }

    pub fn excuse(&mut self, excuse: u16) {
        self.excuses |= excuse;
        self.all_excuses |= excuse;
    }

    pub fn is_expired(&self, token: Token) -> bool {
        token <= self.expired
    }

    fn issue(&mut self, parent: Option<Token>) -> Token {
        let token = Token::try_from(self.parents.len()).expect("few tokens");
        self.parents.push(parent);
        self.live |= 1 << token;
        token
    }

    pub fn log_in(&mut self) -> Token {
        self.issue(None)
    }

    pub fn login_of(&self, token: Token) -> Token {
        let mut login = token;
        while let Some(parent) = self.parents[login as usize] {
            login = parent;
        }
        login
    }

    /// The token endpoint.
    pub fn redeem(&mut self, token: Token, reuse: Reuse) -> Option<Token> {
        let bit = 1 << token;
        if self.used & bit != 0 {
            self.faults.used_twice = true;
        }
        if !self.is_expired(token) && self.all_excuses == 0 && self.nuisances == 0 {
            self.faults.refreshed_good = true;
        }
        self.used |= bit;
        if self.live & bit != 0 {
            if reuse != Reuse::Accepts {
                self.live &= !bit;
            }
            return Some(self.issue(Some(token)));
        }
        if reuse == Reuse::Revokes {
            let login = self.login_of(token);
            for other in 0..self.parents.len() as Token {
                if self.login_of(other) == login {
                    self.live &= !(1 << other);
                }
            }
        }
        None
    }

    /// Whether somebody writes rows, and is awake.
    pub fn is_being_written(&self) -> bool {
        self.processes
            .iter()
            .any(|it| !it.is_paused && it.step.writes())
    }

    /// Whether what is stored can be refreshed, now or when the access token has expired.
    pub fn is_usable(&self) -> bool {
        let Some(token) = self.refresh else {
            return false;
        };
        let access = self.access.first();
        self.client == Some(token)
            && access.is_none_or(|&access| access == token)
            && self.live & (1 << token) != 0
    }

    /// Stands for all worlds that differ in which of like processes is which.
    #[must_use]
    pub fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.processes.sort();
        sorted
    }

    pub fn is_over(&self) -> bool {
        self.wire.is_empty() && self.processes.iter().all(Process::has_ended)
    }

    pub fn enter(&mut self, at: usize, guard: Guard) {
        self.processes[at].is_inside = true;
        if self.are_together(guard) {
            self.excuse(excuse::NOT_APART);
        }
    }

    /// Whether two refresh at once though nothing has gone wrong but a lock.
    pub fn are_together(&self, guard: Guard) -> bool {
        let inside = self.processes.iter().filter(|it| it.is_inside);
        let is_any_alone = inside.clone().any(|it| it.is_alone);
        inside.count() > 1 && (guard.is_best_effort() || is_any_alone)
    }

    pub fn end(&mut self, at: usize, ended: Ended) {
        let excused = self.all_excuses != 0 || self.nuisances != 0;
        if ended == Ended::Asked && !excused {
            self.faults.asked_for_nothing = true;
        }
        let process = &mut self.processes[at];
        process.step = if process.fence {
            Step::ReleaseFence(ended)
        } else if process.is_inside {
            Step::Release(ended)
        } else {
            Step::Ended(ended)
        };
    }
}
