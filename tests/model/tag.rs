//! Reading the tag: what is in it, and what of that is true.

use crate::{
    process::{Act, Found, Phase, Stage},
    rights::View,
    rules::{Rule, Rules},
    store::Verdict,
    upstream::{Referrer, Set},
    world::World,
};

impl World {
    /// One writes the tag at a time, and looks at it first.
    pub(crate) fn take_lock(&mut self, rules: Rules, who: usize) -> Phase {
        let process = &mut self.processes[who];
        if process.role.act == Act::Repair {
            process.stage = Stage::Flush;
        } else if process.stage == Stage::Flush && !self.store.is_stale() {
            return Phase::Over; // somebody else wrote it
        }
        if let (Act::Delete(of), Stage::TakeOut) = (process.role.act, process.stage)
            && !self.is_known(of)
        {
            return self.give_up(rules, who, false); // deleted meanwhile
        }
        self.lock = Some(who);
        let undo = (self.processes[who].stage == Stage::TakeOut).then(|| self.begin_tag(rules, true));
        match self.find(rules, who) {
            Some(found) => Phase::Read(Found { undo, ..found }),
            None if undo.is_some() => self.leave_in(rules, who, undo, self.is_settled()),
            None => Phase::Over,
        }
    }

    /// Importing: without the lock, which another process doesn't have.
    pub(crate) fn look(&self, rules: Rules, who: usize) -> Phase {
        self.find(rules, who).map_or(Phase::Over, Phase::Read)
    }

    /// A HEAD of the tag. `None`: it was refused.
    pub(crate) fn find(&self, rules: Rules, who: usize) -> Option<Found> {
        let list = match self.processes[who].role.rights.view() {
            View::Shown => self.upstream.tag,
            View::Denied => return None,
            View::Hidden => Set::NONE,
        };
        Some(self.found(rules, list, self.store.tag.index == Some(list) || !rules.hold(Rule::Merged)))
    }

    pub(crate) fn found(&self, rules: Rules, list: Set, known: bool) -> Found {
        let listed = if rules.hold(Rule::StillListed) { Set::NONE } else { self.store.listed() };
        let (version, settled) = (self.store.version, self.is_settled());
        let (gone, unjudged) = (Set::NONE, Set::NONE);
        Found { list, known, settled, version, outdated: false, undo: None, listed, gone, unjudged }
    }

    pub(crate) fn is_settled(&self) -> bool {
        !self.store.tag.unsettled || !self.upstream.tag_may_change()
    }

    /// If it is the recorded index, nobody else wrote it. Otherwise every entry that isn't listed is asked about.
    pub(crate) fn compare(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        if let Some(of) = self.not_judged(tag) {
            // Evidence: the row's version, then the upstream.
            return Phase::Judged { of, version: self.store.row(of).version, there: self.holds(of), tag };
        }
        match (self.processes[who].role.act, self.processes[who].stage) {
            (Act::Import | Act::Query, _) => self.write_down_import(rules, who, tag),
            (Act::Absorb(_) | Act::List(_), Stage::Own) => self.forward_list(rules, who, tag),
            (Act::Absorb(_) | Act::List(_), Stage::Accepted) => self.acknowledge(rules, who, tag),
            (Act::Delete(of), Stage::TakeOut) => self.take_out(rules, who, of, tag),
            _ => self.write(rules, who, tag),
        }
    }

    pub(crate) fn not_judged(&self, tag: Found) -> Option<Referrer> {
        let listed = self.store.listed().and(tag.listed);
        let new = tag.list.without(listed).without(tag.gone).without(tag.unjudged);
        if tag.known { None } else { new.first() }
    }

    /// What the upstream holds is listed, if nobody changed its row meanwhile; else it is asked again.
    pub(crate) fn merge(&mut self, rules: Rules, of: Referrer, version: u8, there: bool, tag: Found) -> Phase {
        if !there {
            return Phase::Read(Found { gone: tag.gone.and(Set::one(of)), ..tag });
        }
        let applied = self.store.apply(rules, of, Verdict::Held, version);
        let listed = if applied && !rules.hold(Rule::StillListed) { Set::one(of) } else { Set::NONE };
        Phase::Read(Found { listed: tag.listed.and(listed), version: tag.version + u8::from(applied), ..tag })
    }

    fn write_down_import(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        let leased = self.lock.is_some_and(|owner| owner != who && self.processes[owner].has_lease());
        if tag.unjudged != Set::NONE {
            return Phase::Over; // 503: what was read by then has its rows
        }
        if !leased {
            self.write_down(rules, who, tag);
        }
        self.remember(rules, tag.list);
        Phase::Over
    }

    /// Writes down what a look found: all of the rows' version, or not all.
    pub(crate) fn write_down(&mut self, rules: Rules, who: usize, tag: Found) {
        let is_hidden = self.processes[who].role.rights.view() == View::Hidden;
        if (is_hidden && rules.hold(Rule::TagBesideA200)) || (tag.outdated && rules.hold(Rule::SeenAsBefore)) {
            return;
        }
        let settled = tag.settled || (!rules.hold(Rule::SeenAsBefore) && !self.store.tag.unsettled);
        let sound = tag.gone == Set::NONE && tag.unjudged == Set::NONE;
        let listed = self.store.listed();
        let names_others = !tag.list.is_in(listed) && (tag.known || rules.hold(Rule::StillListed));
        if !sound || !listed.is_in(tag.list) || names_others {
            self.store.make_stale();
        } else if settled && (tag.version == self.store.version || !rules.hold(Rule::CountedBeforeTheLook)) {
            self.store.tag.version = self.store.tag.version.max(self.store.version);
        }
        self.store.record(rules, tag.list, sound);
    }

    /// What was read some time ago, in memory.
    pub(crate) fn remember(&mut self, rules: Rules, list: Set) {
        if !rules.hold(Rule::KeptByTheRecord) {
            self.checked = Some(list);
        }
    }
}
