//! Which processes there are, what keeps them apart, and what may go wrong how often.

/// Whose code a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Ours,
    /// `LibreChat`'s own manager: it reads rows once, and sends a refresh token whatever has become of its lease.
    LibreChat,
}

/// What keeps two processes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The host's `lock`. The fence of leases beside it (`src/oauth/fence.rs`) is left out: a refresh goes on without it
    /// while both are away, so what is shown here has to hold without one.
    Lock,
    /// The host's leases, a flight and a fence, with `oauthRefreshCoordination`.
    Leases,
    /// Claims in the flow store, where a look and the write after it take less time than a claim has to stand.
    PromptClaims,
    /// The host's `lock`, with claims that show it to `LibreChat`'s own manager, which has claims alone.
    LockAndClaims,
    /// Flights within a process, and compare-and-set.
    Nothing,
}

impl Guard {
    pub fn has_lock(self) -> bool {
        matches!(self, Self::Lock | Self::Leases | Self::LockAndClaims)
    }

    pub fn has_claims(self) -> bool {
        matches!(self, Self::PromptClaims | Self::LockAndClaims)
    }

    /// Whether two may refresh at once though nothing has gone wrong.
    pub fn is_best_effort(self) -> bool {
        matches!(self, Self::LockAndClaims | Self::Nothing)
    }
}

/// What an authorization server does with a refresh token that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It revokes whatever came from the same login (RFC 9700, section 4.14.2).
    Revokes,
    Refuses,
    /// It gives another one for it, too, as servers with a period of grace do.
    Accepts,
}

/// A mistake that the code does not have: some property has to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Refreshes what was read before the lock.
    NoReadAgain,
    /// Reads the refresh token again after the lock, and not whether somebody else has refreshed.
    NoLookAfterLock,
    /// Sends a refresh however long its preparation took.
    NoSendBy,
    /// Writes rows whatever is there.
    NoCompare,
    /// Leaves rows as they are when another was faster.
    NoUndo,
    /// Puts back an access token that has expired away, in place of the row that was created.
    UndoRevives,
    /// Stores a login beside an access token that came while it read the other rows.
    NoSecondLook,
    /// Takes a lock away from whoever has it.
    BlindRelease,
    /// Uses an access token with whatever client is there.
    NoSets,
    /// Leaves an access token that belongs to no client.
    NoDiscard,
    /// Stores what was begun before a teardown.
    NoGeneration,
    /// Makes a claim and does not wait whether it stands.
    NoSettle,
}

#[derive(Clone, Debug)]
pub struct Fleet {
    pub kinds: Vec<Kind>,
    pub guard: Guard,
    pub reuse: Reuse,
    pub mutant: Option<Mutant>,
    pub budget: Budget,
}

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    /// A process stops, or its host or network holds it up, for as long as one likes.
    pub pauses: u8,
    /// Requests that a process gives up while they are under way.
    pub lost_answers: u8,
    /// Access tokens that expire after the first.
    pub expiries: u8,
    /// A lock that is asked for and cannot be reached.
    pub outages: u8,
    /// Calls after the first of each process.
    pub calls: u8,
    pub logins: u8,
    pub teardowns: u8,
}

/// What goes wrong in one kind of run.
pub const SCENARIOS: [(&str, Budget); 4] = [
    (
        "faults",
        Budget {
            crashes: 1,
            pauses: 1,
            lost_answers: 1,
            ..NOTHING_ELSE
        },
    ),
    (
        "a lock that is away",
        Budget {
            crashes: 1,
            outages: 1,
            logins: 1,
            ..NOTHING_ELSE
        },
    ),
    (
        "login and logout",
        Budget {
            crashes: 1,
            pauses: 1,
            logins: 1,
            teardowns: 1,
            ..NOTHING_ELSE
        },
    ),
    (
        "login and second refresh",
        Budget {
            pauses: 1,
            expiries: 1,
            calls: 1,
            logins: 1,
            ..NOTHING_ELSE
        },
    ),
];

pub const NOTHING_ELSE: Budget = Budget {
    crashes: 0,
    pauses: 0,
    lost_answers: 0,
    expiries: 0,
    outages: 0,
    calls: 0,
    logins: 0,
    teardowns: 0,
};

impl Fleet {
    /// So many processes of ours.
    pub fn new(processes: usize, guard: Guard, reuse: Reuse, budget: Budget) -> Self {
        Self {
            kinds: vec![Kind::Ours; processes],
            guard,
            reuse,
            mutant: None,
            budget,
        }
    }

    /// The same with one of `LibreChat`'s in the place of one of ours.
    pub fn mixed(mut self) -> Self {
        self.kinds[0] = Kind::LibreChat;
        self
    }

    /// Every way to keep so many processes apart.
    pub fn all(processes: usize, reuse: Reuse, budget: Budget) -> [(&'static str, Self); 6] {
        let fleet = |guard| Self::new(processes, guard, reuse, budget);
        [
            ("lock", fleet(Guard::Lock)),
            ("leases", fleet(Guard::Leases)),
            ("leases, LibreChat's own", fleet(Guard::Leases).mixed()),
            ("claims", fleet(Guard::PromptClaims)),
            ("lock, LibreChat's own", fleet(Guard::LockAndClaims).mixed()),
            ("nothing", fleet(Guard::Nothing)),
        ]
    }
}
