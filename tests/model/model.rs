//! The protocol as a model: what can come next, and what must hold.

use std::fmt;

use stateright::{Model, Property};

use crate::fleet::{Fleet, Guard, Kind};
use crate::process::{Turn, waits};
use crate::step::{At, Commit, Ended, Step};
use crate::world::{Process, World, excuse, nuisance};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A process does this step.
    Does(usize, Step),
    Happens(Event),
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Does(process, step) => write!(formatter, "{process}: {step:?}"),
            Self::Happens(event) => write!(formatter, "-- {event:?}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process stops for as long as one likes.
    Pauses(usize),
    Wakes(usize),
    Crashes(usize),
    /// The time of a lock or claim is over; only of a process that is away.
    LockEnds(usize),
    /// A process asks for a lock whose store is away.
    LockIsAway(usize),
    FenceEnds(usize),
    /// A process gives a request up that is under way.
    GivesUp(usize),
    /// The request arrives all the same.
    Arrives,
    /// A process has looked at rows that do not belong together for as long as it does.
    LooksAreOver(usize),
    /// A process has waited for the fence for as long as it does.
    AdmissionsAreOver(usize),
    /// The store removes access tokens that have expired.
    Sweeps,
    AccessExpires,
    /// A call of a process whose last one has ended.
    Calls(usize),
    LogsIn(usize),
    LogsOut,
}

impl Fleet {
    fn events(&self, world: &World, at: usize, add: &mut impl FnMut(Event)) {
        let (process, budget) = (&world.processes[at], &world.budget);
        let holds = process.lock || process.claim;
        if process.is_away() && holds {
            add(Event::LockEnds(at));
        }
        if process.is_away() && process.fence {
            add(Event::FenceEnds(at));
        }
        match process.step {
            Step::Crashed => return,
            Step::Ended(ended) => {
                if budget.calls > 0 {
                    add(Event::Calls(at));
                }
                if budget.logins > 0 && ended == Ended::Asked {
                    add(Event::LogsIn(at));
                }
                return;
            }
            _ => {}
        }
        if budget.crashes > 0 {
            add(Event::Crashes(at));
        }
        if process.is_paused {
            return add(Event::Wakes(at));
        }
        let matters = holds
            || process.is_inside
            || process.step.is_sent()
            || process.step == Step::WriteClaim;
        if budget.pauses > 0 && matters {
            add(Event::Pauses(at));
        }
        match process.step {
            Step::Attempt
                if budget.outages > 0 && self.guard.has_lock() && self.guard != Guard::Leases =>
            {
                add(Event::LockIsAway(at));
            }
            Step::Post(_) if budget.lost_answers > 0 => add(Event::GivesUp(at)),
            Step::LookAgain(..) | Step::GrantLookAgain { .. }
                if waits(self, world, at) && !world.is_being_written() =>
            {
                add(Event::LooksAreOver(at));
            }
            Step::Admit(_) if world.processes.iter().any(|it| it.fence && it.is_away()) => {
                add(Event::AdmissionsAreOver(at));
            }
            _ => {}
        }
    }

    fn happens(&self, world: &mut World, event: Event) {
        let leases = self.guard == Guard::Leases;
        match event {
            Event::Pauses(at) => {
                world.budget.pauses -= 1;
                world.processes[at].is_paused = true;
            }
            Event::Wakes(at) => {
                world.processes[at].is_paused = false;
                world.processes[at].is_late |= world.processes[at].step == Step::WriteClaim;
            }
            Event::Crashes(at) => {
                world.budget.crashes -= 1;
                if world.processes[at].step.unstored().is_some() {
                    world.excuse(excuse::CRASHED);
                }
                let process = &mut world.processes[at];
                (process.step, process.is_inside, process.is_paused) =
                    (Step::Crashed, false, false);
                process.is_alone = false;
            }
            Event::LockEnds(at) | Event::FenceEnds(at) => {
                let process = &mut world.processes[at];
                process.is_late = true;
                if matches!(event, Event::FenceEnds(_)) {
                    process.fence = false;
                } else {
                    (process.lock, process.claim) = (false, false);
                }
                let is_blind = process.kind == Kind::LibreChat && process.is_inside;
                if process.step.is_sent() || is_blind {
                    world.excuse(excuse::OVERSLEPT);
                }
            }
            Event::LockIsAway(at) => {
                world.budget.outages -= 1;
                world.processes[at].is_alone = true;
                world.enter(at, self.guard);
                world.processes[at].step = Step::ReadAccess(At::Locked);
            }
            Event::GivesUp(at) => {
                world.budget.lost_answers -= 1;
                if let Step::Post(token) = world.processes[at].step {
                    world.wire.push(token);
                }
                world.excuse(excuse::ANSWER_LOST);
                world.end(
                    at,
                    if leases {
                        Ended::Deferred
                    } else {
                        Ended::Asked
                    },
                );
            }
            Event::Arrives => {
                let token = world.wire.remove(0);
                world.redeem(token, self.reuse);
            }
            Event::LooksAreOver(at) => {
                world.nuisances |= nuisance::SLOW_WRITE;
                match world.processes[at].step {
                    Step::LookAgain(_, access) => {
                        world.processes[at].step = Step::Discard(access);
                    }
                    _ => world.end(at, Ended::Asked),
                }
            }
            Event::AdmissionsAreOver(at) => {
                world.excuse(excuse::FENCE_KEPT);
                world.end(at, Ended::Deferred);
            }
            Event::Sweeps => {
                let expired = world.expired;
                world.access.retain(|&access| access > expired);
            }
            Event::AccessExpires => {
                world.budget.expiries -= 1;
                world.expired = (world.parents.len() - 1) as u8;
            }
            Event::Calls(at) => {
                world.budget.calls -= 1;
                let begun = World::new(self).processes[at].clone();
                world.processes[at] = begun;
            }
            Event::LogsIn(at) => {
                world.budget.logins -= 1;
                // Two that were let in before are not apart now.
                let is_inside = |it: &&Process| it.is_inside;
                let mut inside = world.processes.iter().filter(is_inside);
                world.excuses = match self.guard {
                    Guard::PromptClaims if inside.any(|it| !it.claim) => excuse::OVERSLEPT,
                    guard if world.are_together(guard) => excuse::NOT_APART,
                    _ => 0,
                };
                let commit = Commit::new(None, world.log_in());
                world.processes[at].generation = world.generation;
                world.processes[at].step = if leases {
                    Step::Admit(commit)
                } else {
                    Step::StoreReadAccess(commit)
                };
            }
            Event::LogsOut => {
                world.budget.teardowns -= 1;
                world.generation += 1;
                world.torn_down = world.parents.len() as u8;
                (world.refresh, world.client) = (None, None);
                world.access.clear();
                world.excuse(excuse::TORN_DOWN);
            }
        }
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (at, process) in world.processes.iter().enumerate() {
            if !process.has_ended() && !process.is_paused && !waits(self, world, at) {
                actions.push(Action::Does(at, process.step));
            }
            self.events(world, at, &mut |event| actions.push(Action::Happens(event)));
        }
        let mut add = |event| actions.push(Action::Happens(event));
        if !world.wire.is_empty() {
            add(Event::Arrives);
        }
        if world.access.iter().any(|&access| world.is_expired(access)) {
            add(Event::Sweeps);
        }
        // An access token lives longer than a refresh takes, unless a process is held up.
        let refreshes = |it: &&Process| it.is_inside || it.step.unstored().is_some();
        let mut under_way = world.processes.iter().filter(refreshes);
        let may_expire = world.budget.expiries > 0 && under_way.all(Process::is_away);
        if may_expire && world.expired + 1 < world.parents.len() as u8 {
            add(Event::AccessExpires);
        }
        if world.budget.teardowns > 0 && !world.processes.iter().any(|it| it.fence) {
            add(Event::LogsOut);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Does(at, _) => {
                let turn = Turn {
                    fleet: self,
                    world: &mut next,
                    at,
                };
                turn.take();
            }
            Action::Happens(event) => self.happens(&mut next, event),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::all()
    }
}
