//! Writing the tag: with what the rows say, or without a referrer that is to be deleted.

use crate::{
    process::{Act, Found, Phase, Process, Stage, Write},
    rights::View,
    rules::{Rule, Rules},
    store::TagState,
    upstream::{Answer, Change, Referrer, Set},
    world::World,
};

impl World {
    /// All entries have a verdict, or will not get one now: the tag is to say what the rows say.
    pub(crate) fn write(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        if !self.may_go_on(rules, who, tag) {
            return Phase::Over;
        }
        let list = self.content(rules, tag);
        if list != tag.list {
            return self.send_tag(rules, who, tag, list, None);
        }
        // A 404 may mean "not yours to see".
        if self.processes[who].role.rights.view() == View::Hidden && rules.hold(Rule::TagBesideA200) {
            return Phase::Over;
        }
        let settled = tag.settled || (!rules.hold(Rule::HeadPastTheTime) && self.is_settled());
        let write = Write { settled, ..self.plan(tag, list, None) };
        self.end_tag(rules, who, write);
        Phase::Over
    }

    /// The registry protects a referrer for being in the tag: written without it, the tag is stale.
    pub(crate) fn take_out(&mut self, rules: Rules, who: usize, of: Referrer, tag: Found) -> Phase {
        let is_in = tag.list.has(of) || !rules.hold(Rule::SentAgainByWriters);
        if !self.may_go_on(rules, who, tag) || !is_in {
            return self.leave_in(rules, who, tag.undo, tag.settled);
        }
        let list = self.content(rules, tag).without(Set::one(of));
        if list == tag.list {
            self.end_tag(rules, who, self.plan(tag, list, tag.undo));
            return self.send_again(rules, who, of);
        }
        let again = self.begin_tag(rules, true);
        let version = tag.undo.map_or(0, |before| before.version).max(again.version);
        self.send_tag(rules, who, tag, list, Some(TagState { version, ..again }))
    }

    /// What was read is written down. What was not must still be recorded: it names whom a delete forgot.
    fn may_go_on(&mut self, rules: Rules, who: usize, tag: Found) -> bool {
        if !tag.known {
            if rules.hold(Rule::LookedAt) {
                self.write_down(rules, who, tag);
            }
            return true;
        }
        self.store.tag.index == Some(tag.list) || !rules.hold(Rule::StillRecorded) || !rules.hold(Rule::Merged)
    }

    fn content(&self, rules: Rules, tag: Found) -> Set {
        let kept = if rules.hold(Rule::UnjudgedAreKept) { tag.unjudged } else { Set::NONE };
        let leaving = Referrer::ALL.into_iter().filter(|of| self.is_leaving(rules, *of));
        leaving.fold(self.store.listed().and(kept), |list, of| list.without(Set::one(of)))
    }

    /// Somebody asked for its deletion, and the upstream has not said anything yet.
    fn is_leaving(&self, rules: Rules, of: Referrer) -> bool {
        let asked = |process: &Process| {
            process.stage == Stage::Own && matches!(process.role.act, Act::Delete(its) if its == of)
        };
        !rules.hold(Rule::OwnDeleteFirst) && self.processes.iter().any(|process| process.is_at_work() && asked(process))
    }

    fn plan(&self, tag: Found, list: Set, undo: Option<TagState>) -> Write {
        Write { list, unjudged: tag.unjudged, version: self.store.version, settled: tag.settled, undo }
    }

    /// Who looked at the tag before finds that it is not what it was.
    pub(crate) fn begin_tag(&mut self, rules: Rules, may_lack: bool) -> TagState {
        for process in &mut self.processes {
            if let Phase::Read(tag) | Phase::Judged { tag, .. } = &mut process.phase {
                tag.outdated = true;
            }
        }
        self.store.begin_tag(rules, may_lack)
    }

    /// Before the PUT is sent: `unsettled_until`. `undo`: the tag was made stale for it.
    pub(crate) fn send_tag(
        &mut self,
        rules: Rules,
        who: usize,
        tag: Found,
        list: Set,
        undo: Option<TagState>,
    ) -> Phase {
        self.begin_tag(rules, false);
        self.upstream.send(who, Change::Tag(list), false);
        Phase::Writing(self.plan(tag, list, undo))
    }

    pub(crate) fn written(&mut self, rules: Rules, who: usize, write: Write, answer: Answer) -> Phase {
        let process = &self.processes[who];
        match (process.stage, answer) {
            (Stage::Own, _) => self.adopted(rules, who, write, answer),
            (_, Answer::Unknown) => {
                self.store.tag.unsettled = true;
                match self.processes[who].stage {
                    Stage::TakeOut => self.give_up(rules, who, rules.hold(Rule::TakenOutStaysOpen)),
                    _ => Phase::Over,
                }
            }
            (_, Answer::Yes) => {
                self.end_tag(rules, who, write);
                match (self.processes[who].role.act, self.processes[who].stage) {
                    (Act::Delete(of), Stage::TakeOut) => self.send_again(rules, who, of),
                    _ => Phase::Over,
                }
            }
            (Stage::TakeOut, _) => self.leave_in(rules, who, write.undo, write.settled),
            _ => {
                self.refused(rules, write.undo, write.settled);
                Phase::Over
            }
        }
    }

    /// The referrer stays in the tag, and isn't deleted.
    pub(crate) fn leave_in(&mut self, rules: Rules, who: usize, undo: Option<TagState>, settled: bool) -> Phase {
        self.refused(rules, undo, settled);
        self.give_up(rules, who, false)
    }

    /// What was sent was answered. What was sent before may still land.
    pub(crate) fn settle_tag(&mut self, settled: bool) {
        self.store.tag.unsettled &= !settled;
    }

    /// The tag is as it was.
    pub(crate) fn refused(&mut self, rules: Rules, undo: Option<TagState>, settled: bool) {
        self.settle_tag(settled);
        if let Some(before) = undo.filter(|_| rules.hold(Rule::RefusalUndoes)) {
            self.store.undo(before);
        }
    }

    /// The tag holds what was written.
    fn end_tag(&mut self, rules: Rules, who: usize, write: Write) {
        let settled = write.settled || !rules.hold(Rule::LateWritesLand);
        let judged = write.unjudged == Set::NONE || !rules.hold(Rule::UnjudgedAreStale);
        let has_all = self.processes[who].stage != Stage::TakeOut || !rules.hold(Rule::StaleAfter);
        if has_all && settled && judged {
            let version = if rules.hold(Rule::CommittedFirst) { write.version } else { self.store.version };
            self.store.tag.version = version;
        } else {
            let lacks = write.version.saturating_sub(1);
            self.store.tag.version = write.undo.map_or(self.store.tag.version, |before| before.version).min(lacks);
        }
        self.settle_tag(settled);
        self.store.record(rules, write.list, write.unjudged == Set::NONE);
    }
}
