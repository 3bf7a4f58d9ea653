//! The store: what survives a crash. Each function is one transaction.

use crate::{
    process::Write,
    rules::{Rule, Rules},
    upstream::{Referrer, Set},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowState {
    None,
    Listed,
    Missing,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: RowState,
    pub(crate) version: u8,
}

/// A push or delete that was noted and not concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Attempt {
    pub(crate) by: usize,
    pub(crate) of: Referrer,
    /// Nobody works on it any more.
    pub(crate) orphan: bool,
}

/// What the upstream said about a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    Held,
    /// As [`Self::Held`], for a row that is missing; nothing for others.
    Seen,
    Deleted,
    Absent,
}

/// The row of the one subject, its referrers' rows, the attempts on them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) version: u8,
    pub(crate) tag_version: u8,
    pub(crate) tag_digest: Option<Set>,
    /// `unsettled_until` is set. Whether its time has passed is the upstream's `tag_may_change`.
    pub(crate) unsettled: bool,
    pub(crate) rows: [Row; 2],
    pub(crate) attempts: Vec<Attempt>,
}

impl Store {
    pub(crate) fn row(&self, of: Referrer) -> Row {
        self.rows[of as usize]
    }

    pub(crate) fn listed(&self) -> Set {
        let listed = Referrer::ALL.into_iter().filter(|of| self.row(*of).state == RowState::Listed);
        listed.fold(Set::NONE, |all, of| all.and(Set::one(of)))
    }

    /// The whole record of debts.
    pub(crate) fn owes(&self) -> bool {
        self.version > self.tag_version
    }

    pub(crate) fn note(&mut self, by: usize, of: Referrer) {
        if self.attempts.iter().any(|attempt| attempt.by == by) {
            return;
        }
        self.attempts.push(Attempt { by, of, orphan: false });
        self.attempts.sort_unstable();
    }

    pub(crate) fn drop_attempts(&mut self, which: impl Fn(&Attempt) -> bool) {
        self.attempts.retain(|attempt| !which(attempt));
    }

    pub(crate) fn release(&mut self, which: impl Fn(&Attempt) -> bool) {
        self.attempts.iter_mut().filter(|attempt| which(attempt)).for_each(|attempt| attempt.orphan = true);
    }

    /// Applies what the upstream said about a digest, if that is still the version which was read before it was asked.
    pub(crate) fn apply(&mut self, rules: Rules, of: Referrer, verdict: Verdict, version: u8) -> bool {
        let row = self.row(of);
        if rules.hold(Rule::Versions) && row.version != version {
            return false;
        }
        match (verdict, row.state) {
            (Verdict::Held, _) | (Verdict::Seen, RowState::Missing) => self.change(rules, of, RowState::Listed),
            (Verdict::Absent, RowState::Listed) => self.change(rules, of, RowState::Missing),
            (Verdict::Deleted, state) => self.delete(rules, of, state),
            (Verdict::Seen | Verdict::Absent, _) => {}
        }
        true
    }

    fn change(&mut self, rules: Rules, of: Referrer, state: RowState) {
        let owed = self.owes();
        self.version += 1;
        self.rows[of as usize] = Row { state, version: self.version };
        if !rules.hold(Rule::ChangesOwe) && !owed {
            self.tag_version = self.version;
        }
    }

    fn delete(&mut self, rules: Rules, of: Referrer, was: RowState) {
        if was == RowState::None && !rules.hold(Rule::UnknownAreMarked) {
            return;
        }
        self.change(rules, of, RowState::Deleted);
        if !rules.hold(Rule::DeletedStay) {
            self.rows[of as usize] = Row { state: RowState::None, version: 0 };
        }
        if rules.hold(Rule::JudgedDigest) && self.tag_digest.is_some_and(|list| list.has(of)) {
            self.tag_digest = None;
        }
    }

    /// What is in the tag now: on record as `tag_digest` if every entry is listed, so that nothing is in it to be merged.
    pub(crate) fn judged(&mut self, rules: Rules, list: Set, unjudged: Set) {
        let stands = list.is_in(self.listed()) || !rules.hold(Rule::JudgedDigest);
        self.tag_digest = (stands && unjudged == Set::NONE).then_some(list);
    }

    /// The tag holds what was written, and nothing that was sent before can change it.
    pub(crate) fn paid(&mut self, rules: Rules, write: Write) {
        if write.unjudged == Set::NONE || !rules.hold(Rule::UnjudgedOwe) {
            self.tag_version = self.tag_version.max(write.version);
        }
    }
}
