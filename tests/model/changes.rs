//! Pushes and deletes: noted, sent, and what the upstream's answer means.

use crate::{
    process::{Act, Phase, Stage},
    rights::View,
    rules::{Rule, Rules},
    store::{RowState, Verdict},
    upstream::{Answer, Change, Referrer},
    world::{Promise, World},
};

impl World {
    pub(crate) fn send_push(&mut self, rules: Rules, who: usize, of: Referrer) -> Phase {
        if self.processes[who].role.rights.pushes() {
            self.contest(who, of, |other| matches!(other, Act::Delete(_)), Change::Delete(of));
            if self.promises[of as usize] == Promise::Deleted {
                self.promise(of, Promise::Open);
            }
        }
        self.send(rules, who, of, Change::Put(of))
    }

    /// The client's own delete, whatever the tag lists.
    pub(crate) fn send_delete(&mut self, rules: Rules, who: usize, of: Referrer) -> Phase {
        if self.processes[who].role.rights.deletes() {
            self.contest(who, of, |other| matches!(other, Act::Push(_)), Change::Put(of));
            if self.promises[of as usize] != Promise::Stray {
                self.promise(of, Promise::Open);
            }
        }
        self.send(rules, who, of, Change::Delete(of))
    }

    fn send(&mut self, rules: Rules, who: usize, of: Referrer, change: Change) -> Phase {
        if rules.hold(Rule::NotedFirst) {
            self.store.note(who, of, false);
        }
        self.processes[who].seen = self.store.row(of).version;
        self.upstream.send(who, change, false);
        Phase::Sent
    }

    /// The same delete, now that the tag doesn't list it.
    pub(crate) fn send_again(&mut self, rules: Rules, who: usize, of: Referrer) -> Phase {
        self.processes[who].stage = Stage::Again;
        if self.processes[who].role.rights.deletes() {
            self.promise(of, Promise::Open); // whoever pushed it meanwhile pushed it beside a delete
        }
        if !rules.hold(Rule::HeldWhileSentAgain) {
            self.unlock(who);
        }
        if rules.hold(Rule::NotedAgain) {
            self.store.note(who, of, true);
        }
        self.upstream.send(who, Change::Delete(of), true);
        Phase::Sent
    }

    /// Whoever asks for one thing while the opposite is under way, or may still land, can't know what comes out.
    fn contest(&mut self, who: usize, of: Referrer, opposite: impl Fn(Act) -> bool, change: Change) {
        let mut contested = self.upstream.requests.iter().any(|request| request.change == change);
        for other in &mut self.processes {
            if other.is_changing(of) && opposite(other.role.act) && other.role.rights.may(change) {
                other.contested = true;
                contested = true;
            }
        }
        self.processes[who].contested = contested;
    }

    pub(crate) fn told(&mut self, rules: Rules, who: usize, answer: Answer) -> Phase {
        let (act, stage) = (self.processes[who].role.act, self.processes[who].stage);
        match (act, stage, answer) {
            (_, _, Answer::Yes) => self.conclude(rules, who, matches!(act, Act::Push(_))),
            (Act::Delete(of), Stage::Own, Answer::Protected) if self.is_protected(rules, of) => {
                self.processes[who].stage = Stage::TakeOut;
                Phase::Queued
            }
            (Act::Delete(of), Stage::Own, Answer::NotFound) if self.is_gone(rules, who, of) => Phase::Gone,
            (Act::Delete(_), Stage::Again, Answer::NotFound) if !rules.hold(Rule::DoubtedAgain) => Phase::Gone,
            (Act::Delete(of), Stage::Again, Answer::NotFound) if self.is_gone(rules, who, of) => Phase::Gone,
            (_, Stage::Again, Answer::Unknown) => self.give_up(rules, who, true),
            (_, Stage::Again, _) => self.give_up(rules, who, rules.hold(Rule::RefusedAgainStaysOpen)),
            (_, _, Answer::Unknown) => self.end(who, rules.hold(Rule::UnknownStaysOpen)),
            _ => self.end(who, !rules.hold(Rule::RefusalForgets)),
        }
    }

    /// A refusal of that kind may be for the tag: somebody is known by it.
    fn is_protected(&self, rules: Rules, of: Referrer) -> bool {
        rules.hold(Rule::TakenOut) && self.is_known(of)
    }

    pub(crate) fn is_known(&self, of: Referrer) -> bool {
        matches!(self.store.row(of).state, RowState::Listed | RowState::Missing)
    }

    /// Whether a 404 to a delete is to be believed.
    fn is_gone(&self, rules: Rules, who: usize, of: Referrer) -> bool {
        let (seen, view) = (self.processes[who].seen, self.processes[who].role.rights.view());
        let head_is_404 = self.processes[who].looked.unwrap_or_else(|| self.is_404(who, of));
        seen > 0
            && (head_is_404 || !rules.hold(Rule::HeadBesideThe404))
            && (view == View::Shown || !rules.hold(Rule::DeletedBesideA200))
    }

    /// What a HEAD of the manifest says to a caller.
    pub(crate) fn is_404(&self, who: usize, of: Referrer) -> bool {
        match self.processes[who].role.rights.view() {
            View::Shown => !self.holds(of),
            View::Denied => false,
            View::Hidden => true,
        }
    }

    /// Evidence: what the upstream said counts on the version read before, and while no other attempt is open.
    pub(crate) fn conclude(&mut self, rules: Rules, who: usize, there: bool) -> Phase {
        let (Act::Push(of) | Act::Delete(of)) = self.processes[who].role.act else { return Phase::Over };
        let alone = !self.store.attempts.iter().any(|attempt| attempt.of == of && attempt.by != who);
        if rules.hold(Rule::Alone) && !alone {
            return Phase::Ask;
        }
        self.commit(rules, who, self.processes[who].seen, there)
    }

    /// The commit, with which the attempt is closed. From here on the client may have been told.
    pub(crate) fn commit(&mut self, rules: Rules, who: usize, version: u8, there: bool) -> Phase {
        let process = self.processes[who].clone();
        let (Act::Push(of) | Act::Delete(of)) = process.role.act else { return Phase::Over };
        let pushed = matches!(process.role.act, Act::Push(_));
        let verdict = match (there, pushed) {
            (true, true) => Verdict::Held,
            (true, false) => Verdict::Seen,
            (false, _) => Verdict::Deleted,
        };
        if !self.store.apply(rules, of, verdict, version) {
            return Phase::Ask;
        }
        self.store.drop_attempts(|attempt| attempt.by == who);
        let rights = process.role.rights;
        if !process.contested && (if pushed { rights.pushes() } else { rights.deletes() }) {
            self.promise(of, if pushed { Promise::Pushed } else { Promise::Deleted });
        }
        self.flush(who)
    }

    /// A push or delete that was not carried out, or may not have been.
    fn end(&mut self, who: usize, unknown: bool) -> Phase {
        self.end_attempt(who, unknown);
        Phase::Over
    }

    fn end_attempt(&mut self, who: usize, unknown: bool) {
        if unknown {
            self.store.release(|attempt| attempt.by == who);
        } else {
            self.store.drop_attempts(|attempt| attempt.by == who);
        }
    }

    /// What was taken out of the tag, or may have been, isn't deleted: it is put back.
    pub(crate) fn give_up(&mut self, rules: Rules, who: usize, unknown: bool) -> Phase {
        self.end_attempt(who, unknown);
        if rules.hold(Rule::PutBack) { self.flush(who) } else { Phase::Over }
    }

    /// The lock is free for whoever waits: the tag is to say what the rows say.
    fn flush(&mut self, who: usize) -> Phase {
        self.unlock(who);
        self.processes[who].stage = Stage::Flush;
        Phase::Queued
    }
}
