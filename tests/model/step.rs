//! What a process does next, named by the function that does it.

use crate::world::Token;

/// Which look at the stored access token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// `current`, `src/oauth/access.rs`
    Start,
    /// `lock_and_renew`, `src/oauth/renew.rs`: while another has the lock.
    Waiting,
    /// `renew_locked`, `src/oauth/renew.rs`
    Locked,
    /// `adopt`, `src/oauth/renew.rs`: with the fence.
    Adopting,
    /// `stored_soon`, `src/oauth/unlocked.rs`: after a refresh without the lock has failed.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ended {
    Token(Token),
    /// The user has to sign in.
    Asked,
    /// `refresh_unavailable`, `src/oauth/leases.rs`: nobody is asked, the call may be made again.
    Deferred,
}

/// Rows that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit {
    /// What was refreshed; `None` for a login.
    pub from: Option<Token>,
    pub got: Token,
    /// The rows as they were read before the first write.
    pub access: Option<Token>,
    pub refresh: Option<Token>,
    pub client: Option<Token>,
    /// The access token's row has expired away since, and was created.
    pub is_created: bool,
    /// How many are written.
    pub done: u8,
}

impl Commit {
    pub fn new(from: Option<Token>, got: Token) -> Self {
        Self {
            from,
            got,
            access: None,
            refresh: None,
            client: None,
            is_created: false,
            done: 0,
        }
    }

    /// In which order the rows are written: one that is there is the first.
    pub fn order(&self) -> [Row; 3] {
        match (self.access, self.refresh, self.client) {
            (None, Some(_), _) => [Row::Refresh, Row::Access, Row::Client],
            (None, None, Some(_)) => [Row::Client, Row::Access, Row::Refresh],
            _ => [Row::Access, Row::Refresh, Row::Client],
        }
    }

    pub fn read(&self, row: Row) -> Option<Token> {
        match row {
            Row::Access => self.access,
            Row::Refresh => self.refresh,
            Row::Client => self.client,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Access,
    Refresh,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// `access_and_client`, `src/oauth/storage/read.rs`: the access token's row.
    ReadAccess(At),
    /// `access_and_client`, `src/oauth/storage/read.rs`: the client's row.
    ReadClient(At, Token),
    /// `access_and_client`, `src/oauth/storage/read.rs`: the two do not belong together, so it looks again.
    LookAgain(At, Token),
    /// `discard`, `src/oauth/storage/read.rs`
    Discard(Token),
    /// `is_claimed`, `src/oauth/refresh_lock.rs`
    IsClaimed,
    /// `attempt`, `src/oauth/refresh_lock.rs`: `acquire` of the host's lock, or `flight`, `src/oauth/leases.rs`. Where the
    /// lock is away `without_lock`, `src/oauth/unlocked.rs`
    Attempt,
    /// `write`, `src/oauth/refresh_lock.rs`
    WriteClaim,
    /// `stands`, `src/oauth/refresh_lock.rs`
    Stands,
    /// `fenced`, `src/oauth/leases.rs`: before stored tokens are adopted.
    AdoptFenced,
    /// `grant`, `src/oauth/storage/read.rs`: the client's row.
    GrantClient,
    /// `grant`, `src/oauth/storage/read.rs`: the refresh token's row.
    GrantRefresh {
        client: Option<Token>,
    },
    /// `grant`, `src/oauth/storage/read.rs`: the client's row again.
    GrantClientAgain {
        client: Option<Token>,
        refresh: Token,
    },
    /// `grant`, `src/oauth/storage/read.rs`: the two do not belong together, so it looks again.
    GrantLookAgain {
        client: Option<Token>,
        refresh: Token,
    },
    /// `send`, `src/oauth/refresh.rs`: not after `send_by`.
    Send(Token),
    /// `post_form`, `src/oauth/http.rs`: what the authorization server does with it.
    Post(Token),
    /// `admit`, `src/oauth/leases.rs`; for a login `fenced_in`, `src/oauth/leases.rs`
    Admit(Commit),
    /// `read_all`, `src/oauth/storage/write.rs`: the access token's row.
    StoreReadAccess(Commit),
    /// `read_all`, `src/oauth/storage/write.rs`: the refresh token's row.
    StoreReadRefresh(Commit),
    /// `read_all`, `src/oauth/storage/write.rs`: the client's row. Then `store_refreshed` or `store`,
    /// `src/oauth/storage/write.rs`, compares them.
    StoreReadClient(Commit),
    /// `store`, `src/oauth/storage/write.rs`: the access token's row again, which was read before the others.
    StoreLookAgain(Commit),
    /// `replace`, `src/oauth/storage/commit.rs`; where no row was read `create`, `src/oauth/storage/commit.rs`
    Replace(Commit),
    /// `replace`, `src/oauth/storage/commit.rs`: what is there in place of the row that was read.
    ReplaceLook(Commit),
    /// `create`, `src/oauth/storage/commit.rs`: the row that was read has expired away.
    Create(Commit),
    /// `undo`, `src/oauth/storage/commit.rs`
    Undo(Commit),
    /// `release`, `src/oauth/leases.rs`
    ReleaseFence(Ended),
    /// `end`, `src/oauth/refresh_lock.rs`
    Release(Ended),
    Ended(Ended),
    Crashed,
}

impl Step {
    /// Between two of the rows.
    pub fn writes(self) -> bool {
        match self {
            Self::Replace(commit) | Self::ReplaceLook(commit) => commit.done > 0,
            Self::Create(_) | Self::Undo(_) => true,
            _ => false,
        }
    }

    /// The answer of the authorization server that is not stored yet.
    pub fn unstored(self) -> Option<Token> {
        match self {
            Self::Admit(commit)
            | Self::StoreReadAccess(commit)
            | Self::StoreReadRefresh(commit)
            | Self::StoreReadClient(commit)
            | Self::StoreLookAgain(commit)
            | Self::Replace(commit)
            | Self::ReplaceLook(commit)
            | Self::Create(commit)
            | Self::Undo(commit) => Some(commit.got),
            _ => None,
        }
    }

    /// Between the look at the time and the last row.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Post(_)) || self.unstored().is_some()
    }
}
