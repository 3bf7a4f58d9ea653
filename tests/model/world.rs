//! The whole state, what was promised to clients, and the steps between states.

use stateright::{Model, Property};

use crate::{
    process::{Act, Phase, Process, Role},
    properties,
    rights::Rights,
    rules::Rules,
    store::{Row, RowState, Store, TagState},
    upstream::{Answer, Change, Referrer, Request, Set, Upstream},
};

/// What may be relied on about a referrer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// Nobody told backref of it.
    Stray,
    /// Requests that contradict each other are under way, or none was acknowledged: what the upstream holds counts.
    Open,
    /// A push was acknowledged, and nobody asked for its deletion since.
    Pushed,
    /// A client put it and its entry in the tag there around backref.
    Around,
    /// A delete was acknowledged, and nobody pushed it since.
    Deleted,
}

/// What may still go wrong: each at most so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Faults {
    pub(crate) crashes: u8,
    /// Requests whose answer never comes.
    pub(crate) lost: u8,
    /// Pushes and deletes that the upstream refuses.
    pub(crate) refused: u8,
    /// Writes of the tag that it refuses.
    pub(crate) tags_refused: u8,
    /// Entries of a list about which it says nothing: a 429.
    pub(crate) unclear: u8,
}

impl Faults {
    fn refusals(mut self, change: Change) -> u8 {
        *self.refusals_left(change)
    }

    fn refusals_left(&mut self, change: Change) -> &mut u8 {
        if matches!(change, Change::Tag(_)) { &mut self.tags_refused } else { &mut self.refused }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process>,
    /// Who has the tag's lock.
    pub(crate) lock: Option<usize>,
    /// What the tag held when it was read some time ago. Nobody asks for it as long as the rules are kept.
    pub(crate) checked: Option<Set>,
    pub(crate) promises: [Promise; 2],
    pub(crate) faults: Faults,
}

/// Where a run starts, and who takes part.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) rules: Rules,
    /// Pushed through backref before: listed, and in the tag.
    pub(crate) pushed: Set,
    /// Of them, those that are not in the tag yet: it is stale.
    pub(crate) unwritten: Set,
    /// Written around backref before: held, and in the tag.
    pub(crate) around: Set,
    /// Held, and nothing else: a client is about to list it in the tag.
    pub(crate) stray: Set,
    pub(crate) strict: bool,
    pub(crate) roles: Vec<Role>,
    pub(crate) faults: Faults,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A process does what its phase says.
    Step(usize, Role, Phase),
    /// The upstream says neither yes nor no about the entry that is judged next.
    Unclear(usize),
    CarryOut(Request),
    Refuse(Request, Answer),
    /// The answer is waited for no more. The request may be carried out later, or never.
    Lose(Request),
    Vanish(Request),
    Crash,
}

impl World {
    pub(crate) fn promise(&mut self, of: Referrer, promise: Promise) {
        self.promises[of as usize] = promise;
    }

    pub(crate) fn holds(&self, of: Referrer) -> bool {
        self.upstream.manifests.has(of)
    }

    /// An entry of a list that a process would ask about next.
    fn asks_about(&self, phase: Phase) -> Option<Referrer> {
        if let Phase::Read(tag) = phase { self.not_judged(tag) } else { None }
    }

    fn leave_unjudged(&mut self, who: usize) {
        let of = self.asks_about(self.processes[who].phase);
        if let (Phase::Read(tag), Some(of)) = (&mut self.processes[who].phase, of) {
            tag.unjudged = tag.unjudged.and(Set::one(of));
        }
    }

    fn answered(&mut self, request: Request, answer: Answer) {
        self.upstream.requests.retain(|other| *other != request);
        if !request.abandoned {
            self.processes[request.by].answered(answer);
        }
    }

    /// Everything in memory is gone, the requests under way are not.
    fn crash(&mut self) {
        self.processes.iter_mut().filter(|process| process.is_at_work()).for_each(Process::over);
        self.upstream.requests.iter_mut().for_each(|request| request.abandoned = true);
        self.upstream.requests.sort_unstable();
        self.store.release(|_| true);
        self.lock = None;
        self.checked = None;
    }
}

impl Scenario {
    /// Takes part as well, with these rights only.
    pub(crate) fn and(mut self, rights: Rights, act: Act) -> Self {
        self.roles.push(Role { act, rights });
        self
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let version = u8::from(self.pushed != Set::NONE);
        let row = |of| {
            let state = if self.pushed.has(of) { RowState::Listed } else { RowState::None };
            Row { state, version: u8::from(self.pushed.has(of)) }
        };
        let promise = |of| match (self.pushed.has(of), self.around.has(of), self.stray.has(of)) {
            (true, _, _) => Promise::Pushed,
            (_, true, _) => Promise::Around,
            (_, _, true) => Promise::Stray,
            _ => Promise::Open,
        };
        vec![World {
            upstream: Upstream {
                manifests: self.pushed.and(self.around).and(self.stray),
                tag: self.pushed.without(self.unwritten).and(self.around),
                requests: Vec::new(),
                strict: self.strict,
            },
            store: Store {
                version,
                tag: TagState {
                    version: if self.unwritten == Set::NONE { version } else { 0 },
                    index: Some(self.pushed.without(self.unwritten)).filter(|list| *list != Set::NONE),
                    unsettled: false,
                },
                rows: Referrer::ALL.map(row),
                attempts: Vec::new(),
            },
            processes: self.roles.iter().map(|role| Process::new(*role)).collect(),
            lock: None,
            checked: None,
            promises: Referrer::ALL.map(promise),
            faults: self.faults,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (who, process) in world.processes.iter().enumerate() {
            if process.can_step(self.rules, world, who) {
                actions.push(Action::Step(who, process.role, process.phase));
                if world.faults.unclear > 0 && world.asks_about(process.phase).is_some() {
                    actions.push(Action::Unclear(who));
                }
            }
        }
        for request in &world.upstream.requests {
            let allowed = world.processes[request.by].role.rights.may(request.change);
            if allowed {
                actions.push(Action::CarryOut(*request));
            }
            if request.abandoned {
                actions.push(Action::Vanish(*request));
                continue;
            }
            if world.faults.lost > 0 {
                actions.push(Action::Lose(*request));
            }
            if !allowed || world.faults.refusals(request.change) > 0 {
                let refusals = Rights::refusals(request.change).iter();
                // Who may delete gets a 404 for what isn't there only.
                let refusals = refusals.filter(|answer| !allowed || **answer != Answer::NotFound);
                actions.extend(refusals.map(|answer| Action::Refuse(*request, *answer)));
            }
        }
        if world.faults.crashes > 0 && world.processes.iter().any(Process::is_at_work) {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Step(who, ..) => world.step(self.rules, who),
            Action::Unclear(who) => {
                world.faults.unclear -= 1;
                world.leave_unjudged(who);
            }
            Action::CarryOut(request) => {
                let answer = world.upstream.carry_out(request.change);
                world.answered(request, answer);
            }
            Action::Refuse(request, answer) => {
                if world.processes[request.by].role.rights.may(request.change) {
                    *world.faults.refusals_left(request.change) -= 1;
                }
                world.answered(request, answer);
            }
            Action::Lose(request) => {
                world.faults.lost -= 1;
                world.answered(request, Answer::Unknown);
                world.upstream.requests.push(Request { abandoned: true, ..request });
                world.upstream.requests.sort_unstable();
            }
            Action::Vanish(request) => world.answered(request, Answer::Unknown),
            Action::Crash => {
                world.faults.crashes -= 1;
                world.crash();
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
