//! The store: what survives a crash. Each function is one transaction.

use crate::{
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
    /// Noted anew when its delete was sent again.
    pub(crate) again: bool,
}

impl Attempt {
    /// One of a process's two.
    pub(crate) fn bit(&self) -> u16 {
        1 << (2 * self.by + usize::from(self.again))
    }
}

/// What the upstream said about a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    Held,
    /// As [`Self::Held`], by whoever settles an attempt.
    Found,
    /// As [`Self::Held`], for a row that is missing; nothing for others.
    Seen,
    Deleted,
    Absent,
}

/// What is known of the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagState {
    /// `tag_version`: the last version of which it is known to hold all.
    pub(crate) version: u8,
    /// `tag_digest`: the index that it was last known to resolve to.
    pub(crate) index: Option<Set>,
    /// `unsettled_until` is set. Whether its time has passed is the upstream's `tag_may_change`.
    pub(crate) unsettled: bool,
}

/// The row of the one subject, its referrers' rows, the attempts on them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) version: u8,
    pub(crate) tag: TagState,
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

    /// There is no other record of what the tag lacks.
    pub(crate) fn is_stale(&self) -> bool {
        self.version > self.tag.version
    }

    pub(crate) fn note(&mut self, by: usize, of: Referrer, again: bool) {
        self.attempts.retain(|attempt| attempt.by != by);
        self.attempts.push(Attempt { by, of, orphan: false, again });
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
            (Verdict::Found, RowState::Listed) if rules.hold(Rule::ListedAlready) => self.touch(Set::one(of)),
            (Verdict::Held | Verdict::Found, _) | (Verdict::Seen, RowState::Missing) => {
                self.change(rules, of, RowState::Listed);
            }
            (Verdict::Absent, RowState::Listed) => self.change(rules, of, RowState::Missing),
            (Verdict::Deleted, state) => self.delete(rules, of, state),
            (Verdict::Seen | Verdict::Absent, _) => {}
        }
        true
    }

    fn change(&mut self, rules: Rules, of: Referrer, state: RowState) {
        let was_stale = self.is_stale();
        self.version += 1;
        let version = self.version.max(self.row(of).version + 1);
        self.rows[of as usize] = Row { state, version };
        if !rules.hold(Rule::ChangesMakeStale) && !was_stale {
            self.tag.version = self.version;
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
        // Of a digest without a row nobody knows whose tag that is.
        if rules.hold(Rule::ForgottenWithTheDelete) && was != RowState::None {
            self.tag.index = None;
        }
    }

    /// A write of the tag is about to be sent. Gives what was known before.
    pub(crate) fn begin_tag(&mut self, rules: Rules, may_lack: bool) -> TagState {
        let before = self.tag;
        self.tag.unsettled |= rules.hold(Rule::MarkedFirst);
        if may_lack && rules.hold(Rule::StaleFirst) {
            self.make_stale();
        }
        before
    }

    /// The write was refused: the tag is as it was, unless somebody forgot what it holds.
    pub(crate) fn undo(&mut self, before: TagState) {
        if self.tag.index == before.index {
            self.tag.version = self.tag.version.max(before.version);
        }
    }

    /// New versions for rows that stay as they are, and so does the set.
    pub(crate) fn touch(&mut self, rows: Set) {
        let rows = Referrer::ALL.into_iter().filter(|of| rows.has(*of));
        rows.for_each(|of| self.rows[of as usize].version += 1);
    }

    /// Nothing refers to a subject without a version.
    pub(crate) fn make_stale(&mut self) {
        self.tag.version = self.tag.version.min(self.version.saturating_sub(1));
    }

    /// What the tag holds: recorded if nothing is in it to be merged. `sound`: every entry of it had a verdict.
    pub(crate) fn record(&mut self, rules: Rules, list: Set, sound: bool) {
        let is_listed = list.is_in(self.listed()) || !rules.hold(Rule::RecordedIfListed);
        self.tag.index = Some(list).filter(|_| sound && is_listed && list != Set::NONE);
    }
}
