//! Steps: reading and writing the tag.

use crate::{
    process::{Found, Phase, Role, Write},
    rules::{Rule, Rules},
    store::{Row, RowState, Verdict},
    upstream::{Answer, Change, Referrer, Set},
    world::{Promise, World},
};

impl World {
    /// Writing the tag: one at a time, and first a HEAD.
    pub(crate) fn take_turn(&mut self, who: usize) -> Phase {
        self.turn = Some(who);
        self.read(self.upstream.tag)
    }

    /// Importing: HEAD of the tag, without the turn.
    pub(crate) fn import(&mut self) -> Phase {
        self.read(self.upstream.tag)
    }

    /// Absorbing what a client writes: inside the turn, its entries first, and those that its list would drop.
    pub(crate) fn absorb(&mut self, rules: Rules, who: usize, had: Set) -> Phase {
        let Role::Absorb { adds } = self.processes[who].role else { return Phase::Over };
        self.turn = Some(who);
        let wants = had.and(adds);
        self.processes[who].wants = wants;
        self.read(if rules.hold(Rule::AbsorbedBesideTheTag) { wants.and(self.upstream.tag) } else { wants })
    }

    fn read(&self, list: Set) -> Phase {
        Phase::Read(Found { list, settled: self.is_settled(), gone: Set::NONE, unjudged: Set::NONE })
    }

    fn is_settled(&self) -> bool {
        !self.store.unsettled || !self.upstream.tag_may_change()
    }

    /// Its digest is `tag_digest`: nobody else wrote, and the rows of this very moment are what is written. Otherwise
    /// every entry that isn't listed is asked about first.
    pub(crate) fn compare(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        match self.not_judged(rules, tag) {
            // Evidence: the row's version, then the upstream.
            Some(of) => Phase::Judged { of, version: self.store.row(of).version, there: self.holds(of), tag },
            None => self.write(rules, who, tag),
        }
    }

    pub(crate) fn not_judged(&self, rules: Rules, tag: Found) -> Option<Referrer> {
        let known = self.store.tag_digest == Some(tag.list) || !rules.hold(Rule::Merged);
        let new = tag.list.without(self.store.listed()).without(tag.gone).without(tag.unjudged);
        if known { None } else { new.first() }
    }

    /// What the upstream holds is listed, if nobody changed its row meanwhile; else it is asked again.
    pub(crate) fn merge(&mut self, rules: Rules, of: Referrer, version: u8, there: bool, tag: Found) -> Phase {
        if there {
            self.store.apply(rules, of, Verdict::Held, version);
            return Phase::Read(tag);
        }
        Phase::Read(Found { gone: tag.gone.and(Set::one(of)), ..tag })
    }

    /// All entries have a verdict, or will not get one now.
    fn write(&mut self, rules: Rules, who: usize, tag: Found) -> Phase {
        let process = self.processes[who].clone();
        let kept = if rules.hold(Rule::UnjudgedAreKept) { tag.unjudged } else { Set::NONE };
        let list = self.store.listed().and(kept);
        let write = Write { list, unjudged: tag.unjudged, version: self.store.version, settled: self.is_settled() };
        match process.role {
            Role::Import => {
                self.store.judged(rules, tag.list, tag.unjudged);
                Phase::Over
            }
            Role::Delete { of, .. } if process.first && !tag.list.has(of) => self.send_delete(rules, who, of),
            Role::Delete { of, .. } if process.first => {
                if rules.hold(Rule::TakenOutOnRecord) {
                    self.note(rules, who, of);
                }
                self.send_less(rules, who, Write { list: list.without(Set::one(of)), ..write })
            }
            // 503: what can't be recorded is not acknowledged.
            Role::Absorb { .. } if process.first && tag.unjudged != Set::NONE && rules.hold(Rule::AbsorbedWhole) => {
                Phase::Over
            }
            Role::Absorb { .. } if process.first => {
                if !rules.hold(Rule::StaleListsDropNone) {
                    self.drop_rows(self.store.listed().without(process.wants));
                }
                self.send_less(rules, who, Write { list: process.wants, ..write })
            }
            _ if list == tag.list && (tag.settled || (!rules.hold(Rule::HeadPastTheTime) && write.settled)) => {
                self.store.judged(rules, write.list, write.unjudged);
                self.store.paid(rules, write);
                self.store.unsettled = false;
                Phase::Over
            }
            _ => self.send_tag(rules, who, write),
        }
    }

    /// Before the PUT is sent: `unsettled_until`.
    fn send_tag(&mut self, rules: Rules, who: usize, write: Write) -> Phase {
        if rules.hold(Rule::MarkedFirst) {
            self.store.unsettled = true;
        }
        self.upstream.send(who, Change::Tag(write.list));
        Phase::Writing(write)
    }

    /// A list that may lack a listed row: owed from before it is sent.
    fn send_less(&mut self, rules: Rules, who: usize, write: Write) -> Phase {
        if rules.hold(Rule::OwedFirst) {
            self.store.version += 1;
        }
        self.send_tag(rules, who, write)
    }

    pub(crate) fn written(&mut self, rules: Rules, who: usize, write: Write, answer: Answer) -> Phase {
        let process = self.processes[who].clone();
        let settled = write.settled || !rules.hold(Rule::LateWritesLand);
        self.store.unsettled = answer == Answer::Unknown || !settled;
        // A client's list may hold anything: it is found by its digest, and judged.
        let is_clients = matches!(process.role, Role::Absorb { .. }) && process.first;
        if answer == Answer::Yes && !is_clients {
            self.store.judged(rules, write.list, write.unjudged);
        }
        // What lacks a listed row pays nothing.
        if answer == Answer::Yes && settled && (!process.first || !rules.hold(Rule::OwedFirst)) {
            let version = if rules.hold(Rule::CommittedFirst) { write.version } else { self.store.version };
            self.store.paid(rules, Write { version, ..write });
        }
        self.processes[who].first = false;
        match process.role {
            Role::Delete { of, .. } if process.first => self.send_delete(rules, who, of),
            Role::Absorb { adds } if process.first => {
                if answer == Answer::Yes {
                    self.acknowledge(adds);
                }
                Phase::Queued
            }
            _ => Phase::Over,
        }
    }

    /// A client was told that its list is in the tag: what it added is a referrer.
    fn acknowledge(&mut self, adds: Set) {
        for of in Referrer::ALL {
            let contested = self.store.attempts.iter().any(|attempt| attempt.of == of);
            if adds.has(of) && self.holds(of) && self.promises[of as usize] == Promise::Stray && !contested {
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
