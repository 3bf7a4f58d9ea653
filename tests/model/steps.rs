//! A process's next step. Each reads the upstream once, or changes the store once.

use crate::{
    process::{Act, Phase, Process, Stage},
    rights::View,
    rules::{Rule, Rules},
    store::{Attempt, Verdict},
    upstream::{Change, Referrer, Set},
    world::{Promise, World},
};

impl World {
    pub(crate) fn step(&mut self, rules: Rules, who: usize) {
        let next = self.next(rules, who);
        self.processes[who].phase = next;
        if next == Phase::Over {
            self.processes[who].over();
            self.unlock(who);
        }
    }

    fn next(&mut self, rules: Rules, who: usize) -> Phase {
        let process = &self.processes[who];
        let (act, view) = (process.role.act, process.role.rights.view());
        match (process.phase, act) {
            (Phase::Ready, Act::Push(of)) => self.send_push(rules, who, of),
            (Phase::Ready, Act::Delete(of)) if !rules.hold(Rule::HeadAfterTheVersion) => {
                self.processes[who].looked = Some(self.is_404(who, of));
                Phase::Looked
            }
            (Phase::Ready | Phase::Looked, Act::Delete(of)) => self.send_delete(rules, who, of),
            (Phase::Ready, Act::Absorb(_)) => {
                Phase::Holding(if view == View::Shown { self.upstream.tag } else { Set::NONE })
            }
            (Phase::Ready, Act::List(_)) => Phase::Holding(Set::NONE),
            (Phase::Ready, Act::Import) => self.look(rules, who),
            (Phase::Ready, Act::Settle(of)) => self.ask_about(rules, of, view),
            (Phase::Ready, Act::Around(of)) => self.go_around(of),
            (Phase::Holding(list), _) => self.adopt(rules, who, list),
            (Phase::Told(answer), _) => self.told(rules, who, answer),
            (Phase::Gone, _) => self.conclude(rules, who, false),
            (Phase::Ask, Act::Push(of) | Act::Delete(of)) => {
                Phase::Heard { version: self.store.row(of).version, there: self.holds(of) }
            }
            (Phase::Heard { version, there }, _) => self.commit(rules, who, version, there),
            (Phase::Asked { version, there, past }, Act::Settle(of)) => {
                self.settle(rules, of, version, there, past, view)
            }
            (Phase::Ready | Phase::Queued, _) => self.take_lock(rules, who),
            (Phase::Read(tag), _) => self.compare(rules, who, tag),
            (Phase::Judged { of, version, there, tag }, _) => self.merge(rules, of, version, there, tag),
            (Phase::Written(write, answer), _) => self.written(rules, who, write, answer),
            (phase, _) => phase,
        }
    }

    pub(crate) fn unlock(&mut self, who: usize) {
        if self.lock == Some(who) {
            self.lock = None;
        }
    }

    /// Attempts that nobody works on any more, or whose time may be over: a delete that was refused for the tag takes as
    /// long as it takes to write the tag.
    pub(crate) fn orphans(&self, of: Referrer) -> impl Iterator<Item = &Attempt> {
        let is_slow = |by: usize| matches!(self.processes[by].stage, Stage::TakeOut | Stage::Again);
        self.store.attempts.iter().filter(move |attempt| attempt.of == of && (attempt.orphan || is_slow(attempt.by)))
    }

    /// A query with a permit asks about a row, or about what orphaned attempts left open.
    fn ask_about(&mut self, rules: Rules, of: Referrer, view: View) -> Phase {
        if view == View::Denied {
            return Phase::Over;
        }
        let (deadline, renewed) = (rules.hold(Rule::SettledPastTheDeadline), rules.hold(Rule::NotedAgain));
        let is_past = |attempt: &&Attempt| !deadline || !self.upstream.manifest_may_change(attempt.by, renewed);
        let past = self.orphans(of).filter(is_past).fold(0, |all, attempt| all | attempt.bit());
        Phase::Asked { version: self.store.row(of).version, there: view == View::Shown && self.holds(of), past }
    }

    /// 200 lists, a 404 beside a 200 makes missing, or gives an attempt up that can no longer land.
    fn settle(&mut self, rules: Rules, of: Referrer, version: u8, there: bool, past: u16, view: View) -> Phase {
        if !there && view == View::Hidden && rules.hold(Rule::BesideA200) {
            return Phase::Over;
        }
        let any = self.orphans(of).next().is_some();
        let all_past = self.orphans(of).all(|attempt| past & attempt.bit() != 0);
        let verdict = match (there, any) {
            (true, true) => Verdict::Found,
            (true, false) => Verdict::Seen,
            (false, true) if all_past => Verdict::Deleted,
            (false, _) => Verdict::Absent,
        };
        let is_final = !matches!(verdict, Verdict::Absent);
        if self.store.apply(rules, of, verdict, version) && is_final {
            self.store.drop_attempts(|attempt| past & attempt.bit() != 0);
        }
        Phase::Over
    }

    /// Known limit: a client that goes around backref writes the tag neither between a HEAD and a PUT of backref's, nor
    /// while one that was given up may still land. Where the tag has the entry there is nothing to write; then the client
    /// doesn't push what is between a 404 for it and that PUT.
    pub(crate) fn can_go_around(&self, of: Referrer) -> bool {
        let reads = |owner: usize| self.processes[owner].role.act == Act::Query;
        let is_idle = self.lock.is_none_or(reads) && !self.upstream.tag_may_change();
        let has_it = self.upstream.tag.has(of) && !self.upstream.tag_may_lose(of);
        let saw_it = |process: &Process| match process.phase {
            Phase::Judged { of: its, there: false, .. } if its == of => false,
            Phase::Read(tag) | Phase::Judged { tag, .. } => tag.list.has(of) && !tag.gone.has(of),
            _ => true,
        };
        is_idle || (has_it && self.processes.iter().all(saw_it))
    }

    /// The referrer and its entry at once: what clients lose among each other is not ours.
    fn go_around(&mut self, of: Referrer) -> Phase {
        let late = self.upstream.requests.iter().any(|request| request.change == Change::Delete(of));
        for other in &mut self.processes {
            other.contested |= other.role.act == Act::Delete(of) && other.is_at_work();
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
