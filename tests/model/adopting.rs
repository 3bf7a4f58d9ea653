//! What clients write to the tag themselves.

use crate::{
    process::{Act, Found, Phase, Stage, Write},
    rules::{Rule, Rules},
    store::{Row, RowState},
    upstream::{Answer, Referrer, Set},
    world::{Promise, World},
};

impl World {
    /// The lock is taken, and the tag looked at: what it holds is about to go.
    pub(crate) fn adopt(&mut self, rules: Rules, who: usize, had: Set) -> Phase {
        self.lock = Some(who);
        let wants = match self.processes[who].role.act {
            Act::Absorb(adds) => had.and(adds),
            Act::List(list) => list,
            _ => return Phase::Over,
        };
        self.processes[who].wants = wants;
        let Some(mut found) = self.find(rules, who) else { return Phase::Over };
        found.known |= self.checked == Some(found.list);
        if !rules.hold(Rule::KeptFirst) {
            found = self.found(rules, Set::NONE, false);
        }
        if !rules.hold(Rule::AcceptedFirst) {
            found = self.found(rules, found.list.and(wants), false);
        }
        Phase::Read(found)
    }

    /// The client's own request. Its list may lack any of the rows.
    pub(crate) fn forward_list(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        let wants = self.processes[who].wants;
        let forgotten = tag.known && self.store.tag.index != Some(tag.list);
        if (forgotten && rules.hold(Rule::KeptByTheRecord))
            || (tag.unjudged != Set::NONE && rules.hold(Rule::KeptWhole))
        {
            return Phase::Over; // 503
        }
        if !rules.hold(Rule::StaleListsDropNone) {
            self.drop_rows(self.store.listed().without(wants));
        }
        let is_look = !tag.known && rules.hold(Rule::KeptFirst) && rules.hold(Rule::AcceptedFirst);
        if is_look && rules.hold(Rule::LookedAt) {
            self.write_down(rules, who, tag);
        }
        self.remember(rules, tag.list);
        if rules.hold(Rule::DroppedAreVersioned) {
            self.store.touch(self.store.listed().without(wants));
        }
        let before = self.begin_tag(rules, true);
        self.send_tag(rules, who, tag, wants, Some(before))
    }

    /// What it names is read after the upstream's success, and only then.
    pub(crate) fn adopted(&mut self, rules: Rules, who: usize, write: Write, answer: Answer) -> Phase {
        match answer {
            Answer::Unknown => {
                self.store.tag.unsettled = true;
                Phase::Over
            }
            Answer::Yes => {
                self.settle_tag(write.settled);
                self.checked = None;
                self.processes[who].stage = Stage::Accepted;
                if !rules.hold(Rule::AcknowledgedAfter) {
                    self.tell(who);
                }
                Phase::Read(self.found(rules, write.list, false))
            }
            _ => {
                self.refused(rules, write.undo, write.settled);
                Phase::Over
            }
        }
    }

    /// What the client's list names has rows, and the tag is to say what the rows say.
    pub(crate) fn acknowledge(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        if tag.unjudged != Set::NONE && rules.hold(Rule::AcknowledgedWhole) {
            return Phase::Over; // 503
        }
        self.tell(who);
        self.processes[who].stage = Stage::Flush;
        Phase::Queued
    }

    /// A client was told that its list is in the tag: what it added is a referrer.
    fn tell(&mut self, who: usize) {
        let wants = self.processes[who].wants;
        for of in Referrer::ALL {
            let contested = self.store.attempts.iter().any(|attempt| attempt.of == of);
            if wants.has(of) && self.holds(of) && self.promises[of as usize] == Promise::Stray && !contested {
                self.promise(of, Promise::Pushed);
            }
        }
    }

    fn drop_rows(&mut self, rows: Set) {
        for of in Referrer::ALL {
            if rows.has(of) {
                self.store.version += 1;
                self.store.rows[of as usize] = Row { state: RowState::None, version: 0 };
            }
        }
    }
}
