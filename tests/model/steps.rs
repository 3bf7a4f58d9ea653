//! A process's next step: pushes and deletes, and what settles them. Each reads the upstream or the store once.

use crate::{
    process::{Phase, Role},
    rules::{Rule, Rules},
    store::Verdict,
    upstream::{Answer, Change, Referrer, Set},
    world::{Promise, World},
};

impl World {
    pub(crate) fn step(&mut self, rules: Rules, who: usize) {
        let process = self.processes[who].clone();
        let next = match (process.phase, process.role) {
            (Phase::Ready, Role::Push(of)) => self.send_push(rules, who, of),
            (Phase::Ready, Role::Delete { may_push: true, .. }) if rules.hold(Rule::OutOfTheTagFirst) => Phase::Queued,
            (Phase::Ready, Role::Delete { of, .. }) => self.send_delete(rules, who, of),
            (Phase::Ready, Role::Absorb { .. }) => Phase::Holding(self.upstream.tag),
            (Phase::Ready, Role::Import) => self.import(),
            (Phase::Ready, Role::Settle { of, sees }) => self.ask_about(rules, of, sees),
            (Phase::Ready, Role::Around(of)) => self.go_around(of),
            (Phase::Holding(list), _) => self.absorb(rules, who, list),
            (Phase::Told { version, answer: Answer::Yes }, _) => self.conclude(rules, who, version),
            (Phase::Told { answer, .. }, _) => self.end(rules, who, answer),
            (Phase::Ask, Role::Push(of) | Role::Delete { of, .. }) => {
                Phase::Heard { version: self.store.row(of).version, there: self.holds(of) }
            }
            (Phase::Heard { version, there }, _) => self.commit(rules, who, version, there),
            (Phase::Asked { version, there, past }, Role::Settle { of, sees }) => {
                self.settle(rules, of, version, there, past, sees)
            }
            (Phase::Ready | Phase::Queued, _) => self.take_turn(who),
            (Phase::Read(tag), _) => self.compare(rules, who, tag),
            (Phase::Judged { of, version, there, tag }, _) => self.merge(rules, of, version, there, tag),
            (Phase::Written(write, answer), _) => self.written(rules, who, write, answer),
            (phase, _) => phase,
        };
        self.processes[who].phase = next;
        if next == Phase::Over && self.turn == Some(who) {
            self.turn = None;
        }
    }

    /// Attempts: noted, then sent.
    fn send_push(&mut self, rules: Rules, who: usize, of: Referrer) -> Phase {
        self.contest(who, of, |other| matches!(other, Role::Delete { .. }), Change::Delete(of));
        if self.promises[of as usize] == Promise::Deleted {
            self.promise(of, Promise::Open);
        }
        self.send(rules, who, of, Change::Put(of))
    }

    pub(crate) fn send_delete(&mut self, rules: Rules, who: usize, of: Referrer) -> Phase {
        self.contest(who, of, |other| matches!(other, Role::Push(_)), Change::Put(of));
        if self.promises[of as usize] != Promise::Stray {
            self.promise(of, Promise::Open);
        }
        self.send(rules, who, of, Change::Delete(of))
    }

    fn send(&mut self, rules: Rules, who: usize, of: Referrer, change: Change) -> Phase {
        self.note(rules, who, of);
        self.upstream.send(who, change);
        Phase::Sent { version: self.store.row(of).version }
    }

    pub(crate) fn note(&mut self, rules: Rules, who: usize, of: Referrer) {
        if rules.hold(Rule::NotedFirst) {
            self.store.note(who, of);
        }
    }

    /// Whoever asks for one thing while the opposite is under way, or may still land, can't know what comes out.
    fn contest(&mut self, who: usize, of: Referrer, opposite: impl Fn(Role) -> bool, change: Change) {
        let mut contested = self.upstream.requests.iter().any(|request| request.change == change);
        for other in &mut self.processes {
            let under_way =
                matches!(other.phase, Phase::Sent { .. } | Phase::Told { .. } | Phase::Ask | Phase::Heard { .. });
            let same = matches!(other.role, Role::Push(its) | Role::Delete { of: its, .. } if its == of);
            if under_way && same && opposite(other.role) {
                other.contested = true;
                contested = true;
            }
        }
        self.processes[who].contested = contested;
    }

    /// Evidence: what the upstream said counts on the version read before, and while no other attempt is open.
    fn conclude(&mut self, rules: Rules, who: usize, version: u8) -> Phase {
        let (Role::Push(of) | Role::Delete { of, .. }) = self.processes[who].role else { return Phase::Over };
        let alone = !self.store.attempts.iter().any(|attempt| attempt.of == of && attempt.by != who);
        if rules.hold(Rule::Alone) && !alone {
            return Phase::Ask;
        }
        self.commit(rules, who, version, matches!(self.processes[who].role, Role::Push(_)))
    }

    /// The commit, with which the attempt is closed. From here on the client may have been told.
    fn commit(&mut self, rules: Rules, who: usize, version: u8, there: bool) -> Phase {
        let process = self.processes[who].clone();
        let (Role::Push(of) | Role::Delete { of, .. }) = process.role else { return Phase::Over };
        let verdict = match (there, process.role) {
            (true, Role::Push(_)) => Verdict::Held,
            (true, _) => Verdict::Seen,
            (false, _) => Verdict::Deleted,
        };
        if !self.store.apply(rules, of, verdict, version) {
            return Phase::Ask;
        }
        self.store.drop_attempts(|attempt| attempt.by == who);
        if !process.contested {
            let pushed = matches!(process.role, Role::Push(_));
            self.promise(of, if pushed { Promise::Pushed } else { Promise::Deleted });
        }
        self.processes[who].first = false;
        match process.role {
            Role::Delete { may_push: false, .. } => Phase::Over,
            _ => Phase::Queued,
        }
    }

    /// A push or delete that was not carried out, or may not have been.
    fn end(&mut self, rules: Rules, who: usize, answer: Answer) -> Phase {
        // What was taken out of the tag is asked about again, so that it can't be lost between two who delete it.
        let taken_out = matches!(self.processes[who].role, Role::Delete { may_push: true, .. });
        let settled_later = match answer {
            Answer::No => taken_out && rules.hold(Rule::TakenOutOnRecord),
            _ => rules.hold(Rule::UnknownStaysOpen),
        };
        if settled_later {
            self.store.release(|attempt| attempt.by == who);
        } else {
            self.store.drop_attempts(|attempt| attempt.by == who);
        }
        self.processes[who].first = false;
        match self.processes[who].role {
            Role::Delete { may_push: true, .. } if rules.hold(Rule::PutBack) => Phase::Queued,
            _ => Phase::Over,
        }
    }

    /// A query with a permit asks about a row, or about what orphaned attempts left open.
    fn ask_about(&mut self, rules: Rules, of: Referrer, sees: bool) -> Phase {
        let past = self.store.attempts.iter().filter(|attempt| attempt.orphan && attempt.of == of);
        let past = past.filter(|attempt| {
            !rules.hold(Rule::SettledPastTheDeadline) || !self.upstream.manifest_may_change(attempt.by)
        });
        let past = past.fold(0, |all, attempt| all | 1 << attempt.by);
        Phase::Asked { version: self.store.row(of).version, there: sees && self.holds(of), past }
    }

    /// 200 lists, a 404 beside a 200 makes missing, or gives an attempt up that can no longer land.
    fn settle(&mut self, rules: Rules, of: Referrer, version: u8, there: bool, past: u8, sees: bool) -> Phase {
        if !there && !sees && rules.hold(Rule::BesideA200) {
            return Phase::Over;
        }
        let orphans = self.store.attempts.iter().filter(|attempt| attempt.orphan && attempt.of == of);
        let all_past = orphans.clone().all(|attempt| past & 1 << attempt.by != 0);
        let verdict = match (there, orphans.count()) {
            (true, 0) => Verdict::Seen,
            (true, _) => Verdict::Held,
            (false, 0) => Verdict::Absent,
            (false, _) if all_past => Verdict::Deleted,
            (false, _) => Verdict::Absent,
        };
        let is_final = !matches!(verdict, Verdict::Absent);
        if self.store.apply(rules, of, verdict, version) && is_final {
            self.store.drop_attempts(|attempt| past & 1 << attempt.by != 0);
        }
        Phase::Over
    }

    /// The referrer and its entry at once: what clients lose among each other is not ours.
    fn go_around(&mut self, of: Referrer) -> Phase {
        let late = self.upstream.requests.iter().any(|request| request.change == Change::Delete(of));
        for other in &mut self.processes {
            other.contested |= matches!(other.role, Role::Delete { of: its, .. } if its == of) && other.is_at_work();
        }
        self.upstream.manifests = self.upstream.manifests.and(Set::one(of));
        self.upstream.tag = self.upstream.tag.and(Set::one(of));
        if late {
            self.promise(of, Promise::Open);
        } else if self.promises[of as usize] != Promise::Pushed {
            self.promise(of, Promise::Around);
        }
        Phase::Over
    }
}
