//! The steps of processes.

use crate::fleet::{Fleet, Guard, Kind, Mutant};
use crate::step::{At, Commit, Ended, Step};
use crate::world::{Token, World, excuse, nuisance};

/// A world in which one process does its next step.
pub struct Turn<'a> {
    pub fleet: &'a Fleet,
    pub world: &'a mut World,
    pub at: usize,
}

/// Whether the process has to wait for others.
pub fn waits(fleet: &Fleet, world: &World, at: usize) -> bool {
    let process = &world.processes[at];
    let mut others = world
        .processes
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .map(|(_, it)| it);
    match process.step {
        Step::LookAgain(_, access) => {
            world.access.first() == Some(&access) && world.client != Some(access)
        }
        Step::GrantLookAgain { client, refresh } => {
            world.client == client && world.refresh == Some(refresh)
        }
        Step::IsClaimed => others.any(|it| it.claim) && !may_poll(world, process.kind),
        Step::Attempt => {
            fleet.guard.has_lock() && others.any(|it| it.lock) && !may_poll(world, process.kind)
        }
        // A look and the write after it are over before the claim has stood long enough.
        Step::Stands => others.any(|it| it.step == Step::WriteClaim && !it.is_away()),
        Step::AdoptFenced | Step::Admit(_) => {
            fleet.guard == Guard::Leases && others.any(|it| it.fence)
        }
        _ => false,
    }
}

/// Whether somebody who waits finds another access token. `LibreChat` does not look.
fn may_poll(world: &World, kind: Kind) -> bool {
    let is_good = |&access: &Token| !world.is_expired(access);
    kind == Kind::Ours && world.access.first().is_some_and(is_good)
}

impl Turn<'_> {
    pub fn to(&mut self, step: Step) {
        self.world.processes[self.at].step = step;
    }

    pub fn end(&mut self, ended: Ended) {
        let process = &self.world.processes[self.at];
        let has_looked = process.step == Step::ReadAccess(At::Refused);
        if ended == Ended::Asked && process.is_alone && !has_looked {
            return self.to(Step::ReadAccess(At::Refused));
        }
        self.world.end(self.at, ended);
    }

    fn kind(&self) -> Kind {
        self.world.processes[self.at].kind
    }

    pub fn is(&self, mutant: Mutant) -> bool {
        self.fleet.mutant == Some(mutant)
    }

    fn leases(&self) -> bool {
        self.fleet.guard == Guard::Leases
    }

    pub fn take(mut self) {
        match self.world.processes[self.at].step {
            Step::ReadAccess(at) => match self.world.access.first() {
                Some(&access) if !self.world.is_expired(access) => {
                    self.to(Step::ReadClient(at, access));
                }
                _ => self.is_due(at),
            },
            Step::ReadClient(at, access) => self.read_client(at, access),
            Step::LookAgain(at, _) => self.to(Step::ReadAccess(at)),
            Step::Discard(access) => {
                let is_there = self.world.access.contains(&access);
                if !self.is(Mutant::NoDiscard) {
                    self.world.access.retain(|&it| it != access);
                }
                if is_there {
                    self.world.discarded = Some(access);
                }
                self.end(Ended::Asked);
            }
            Step::IsClaimed | Step::Attempt => self.attempt(),
            Step::WriteClaim => self.write_claim(),
            Step::Stands if self.world.processes[self.at].claim => self.enter(),
            Step::Stands => self.to(Step::IsClaimed),
            Step::AdoptFenced => {
                self.world.processes[self.at].fence = true;
                self.to(Step::ReadAccess(At::Adopting));
            }
            Step::GrantClient => {
                let client = self.world.client;
                self.to(Step::GrantRefresh { client });
            }
            Step::GrantRefresh { client } => match self.world.refresh {
                Some(refresh) => self.to(Step::GrantClientAgain { client, refresh }),
                None => self.end(Ended::Asked),
            },
            Step::GrantClientAgain { client, refresh } => self.grant(client, refresh),
            Step::GrantLookAgain { client, .. } => self.to(Step::GrantRefresh { client }),
            Step::Send(token) => self.send(token),
            Step::Post(token) => match self.world.redeem(token, self.fleet.reuse) {
                Some(got) => self.has_answer(Commit::new(Some(token), got)),
                // `is_final_refusal` with leases, else the error.
                None => self.end(Ended::Asked),
            },
            Step::Admit(commit) => self.admit(commit),
            Step::StoreReadAccess(mut commit) => {
                commit.access = self.world.access.first().copied();
                self.to(Step::StoreReadRefresh(commit));
            }
            Step::StoreReadRefresh(mut commit) => {
                commit.refresh = self.world.refresh;
                self.to(Step::StoreReadClient(commit));
            }
            Step::StoreReadClient(mut commit) => {
                commit.client = self.world.client;
                let looks_again = commit.from.is_none() && commit.access.is_none();
                let looks_again = looks_again && !self.is(Mutant::NoSecondLook);
                if looks_again && (commit.refresh.is_some() || commit.client.is_some()) {
                    self.to(Step::StoreLookAgain(commit));
                } else {
                    self.compare(commit);
                }
            }
            Step::StoreLookAgain(mut commit) => {
                commit.access = self.world.access.first().copied();
                self.compare(commit);
            }
            Step::Replace(commit) => self.replace(commit),
            Step::ReplaceLook(commit) => self.replace_look(commit),
            Step::Create(mut commit) => {
                self.create_access(commit.got);
                commit.is_created = !self.is(Mutant::UndoRevives);
                self.written(commit);
            }
            Step::Undo(commit) => self.undo(commit),
            Step::ReleaseFence(ended) => {
                self.world.processes[self.at].fence = false;
                self.end(ended);
            }
            Step::Release(ended) => {
                if self.is(Mutant::BlindRelease) {
                    self.world
                        .processes
                        .iter_mut()
                        .for_each(|it| it.lock = false);
                }
                let process = &mut self.world.processes[self.at];
                (process.lock, process.claim, process.is_inside) = (false, false, false);
                process.is_alone = false;
                self.to(Step::Ended(ended));
            }
            Step::Ended(_) | Step::Crashed => {}
        }
    }

    /// What is stored does not do: a refresh is due.
    fn is_due(&mut self, at: At) {
        match at {
            At::Start | At::Waiting => {
                if at == At::Start {
                    let (seen, generation) = (self.world.refresh, self.world.generation);
                    let process = &mut self.world.processes[self.at];
                    (process.seen, process.generation) = (seen, generation);
                }
                if self.fleet.guard.has_claims() {
                    self.to(Step::IsClaimed);
                } else {
                    self.to(Step::Attempt);
                }
            }
            At::Locked => self.to(Step::GrantClient),
            At::Adopting => self.end(Ended::Deferred),
            At::Refused => self.end(Ended::Asked),
        }
    }

    fn read_client(&mut self, at: At, access: Token) {
        let fits = self.world.client == Some(access);
        if fits || self.is(Mutant::NoSets) {
            self.world.faults.mixed |= !fits;
            return match at {
                At::Waiting | At::Locked if self.leases() => self.to(Step::AdoptFenced),
                _ => self.end(Ended::Token(access)),
            };
        }
        match (self.kind(), at) {
            (Kind::Ours, _) => self.to(Step::LookAgain(at, access)),
            (Kind::LibreChat, At::Start) => {
                self.world.nuisances |= nuisance::READ_BETWEEN;
                self.end(Ended::Asked);
            }
            (Kind::LibreChat, _) if self.leases() => self.end(Ended::Deferred),
            (Kind::LibreChat, _) => {
                self.world.nuisances |= nuisance::READ_BETWEEN;
                self.end(Ended::Asked);
            }
        }
    }

    fn attempt(&mut self) {
        let guard = self.fleet.guard;
        let mut others = self.world.processes.iter().enumerate();
        let is_claim = self.world.processes[self.at].step == Step::IsClaimed;
        let is_taken = others.any(|(other, it)| {
            other != self.at
                && if is_claim {
                    it.claim
                } else {
                    guard.has_lock() && it.lock
                }
        });
        if is_taken {
            return self.to(Step::ReadAccess(At::Waiting));
        }
        self.world.processes[self.at].is_late = false;
        match (is_claim, self.kind()) {
            (true, Kind::Ours) if guard.has_lock() => self.to(Step::Attempt),
            (true, _) => self.to(Step::WriteClaim),
            (false, _) => {
                self.world.processes[self.at].lock = guard.has_lock();
                if guard.has_claims() {
                    self.to(Step::WriteClaim);
                } else {
                    self.enter();
                }
            }
        }
    }

    fn write_claim(&mut self) {
        if self.world.processes[self.at].is_late {
            self.world.excuse(excuse::OVERSLEPT);
        }
        self.world
            .processes
            .iter_mut()
            .for_each(|it| it.claim = false);
        self.world.processes[self.at].claim = true;
        let settles = self.kind() == Kind::Ours && !self.fleet.guard.has_lock();
        if settles && !self.is(Mutant::NoSettle) {
            self.to(Step::Stands);
        } else {
            self.enter();
        }
    }

    /// With what keeps others away.
    fn enter(&mut self) {
        self.world.enter(self.at, self.fleet.guard);
        let seen = self.world.processes[self.at].seen;
        match seen.filter(|_| self.is(Mutant::NoReadAgain)) {
            Some(seen) => self.to(Step::Send(seen)),
            None if self.is(Mutant::NoLookAfterLock) => self.to(Step::GrantClient),
            None => self.to(Step::ReadAccess(At::Locked)),
        }
    }

    fn grant(&mut self, client: Option<Token>, refresh: Token) {
        let now = self.world.client;
        if now == client && now == Some(refresh) {
            return self.to(Step::Send(refresh));
        }
        match self.kind() {
            Kind::LibreChat => {
                self.world.nuisances |= nuisance::READ_BETWEEN;
                self.end(Ended::Asked);
            }
            Kind::Ours if now == client => self.to(Step::GrantLookAgain { client, refresh }),
            Kind::Ours => self.to(Step::GrantRefresh { client: now }),
        }
    }

    fn send(&mut self, token: Token) {
        let is_late = self.world.processes[self.at].is_late;
        match self.kind() {
            Kind::Ours if is_late && !self.is(Mutant::NoSendBy) => {
                self.world.nuisances |= nuisance::TOO_LATE;
                return self.end(if self.leases() {
                    Ended::Deferred
                } else {
                    Ended::Asked
                });
            }
            Kind::LibreChat if is_late => self.world.excuse(excuse::OVERSLEPT),
            _ => {}
        }
        self.to(Step::Post(token));
    }

    fn has_answer(&mut self, commit: Commit) {
        if self.leases() {
            self.to(Step::Admit(commit));
        } else {
            self.to(Step::StoreReadAccess(commit));
        }
    }

    fn admit(&mut self, commit: Commit) {
        let process = &mut self.world.processes[self.at];
        let is_current = process.generation == self.world.generation;
        if self.fleet.guard == Guard::Leases {
            if !is_current && self.fleet.mutant != Some(Mutant::NoGeneration) {
                if self.world.login_of(commit.got) >= self.world.torn_down {
                    self.world.excuse(excuse::USED_UP);
                }
                return self.end(Ended::Asked);
            }
            process.fence = true;
        }
        self.to(Step::StoreReadAccess(commit));
    }
}
