//! The registry: what it holds, what is on its way to it. It is asked in one step and answers the truth; what is sent
//! to change it may be carried out at any time, also after nobody waits for it any more.

use std::fmt;

/// A referrer's digest. All refer to one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Referrer {
    A,
    B,
}

impl Referrer {
    pub(crate) const ALL: [Self; 2] = [Self::A, Self::B];
}

/// Some referrers: a list's content, and its digest at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const A: Self = Self(1);
    pub(crate) const B: Self = Self(2);
    pub(crate) const BOTH: Self = Self(3);

    pub(crate) fn one(of: Referrer) -> Self {
        Self(1 << of as u8)
    }
    pub(crate) fn has(self, of: Referrer) -> bool {
        self.0 & Self::one(of).0 != 0
    }
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub(crate) fn is_in(self, other: Self) -> bool {
        self.without(other) == Self::NONE
    }
    pub(crate) fn first(self) -> Option<Referrer> {
        Referrer::ALL.into_iter().find(|of| self.has(*of))
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Referrer::ALL.iter().filter(|of| self.has(**of))).finish()
    }
}

/// What changes the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Put(Referrer),
    Delete(Referrer),
    Tag(Set),
}

/// A change that was sent and not carried out yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) by: usize,
    pub(crate) change: Change,
    /// A delete that was sent before, and refused.
    pub(crate) again: bool,
    /// Nobody waits for the answer any more: a timeout, a lost connection, a crash.
    pub(crate) abandoned: bool,
}

/// What a process is told about its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Yes,
    /// A definite refusal.
    No,
    /// The same, of the kind by which registries protect what a tagged index lists: 403, 405, 409.
    Protected,
    /// 404.
    NotFound,
    /// None came, or none that is the last word.
    Unknown,
}

/// The registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Upstream {
    pub(crate) manifests: Set,
    pub(crate) tag: Set,
    /// Sorted, so that the order of sending makes no difference.
    pub(crate) requests: Vec<Request>,
    /// Refuses lists of absent manifests, and deletes of listed ones. Other registries don't.
    pub(crate) strict: bool,
}

impl Upstream {
    pub(crate) fn send(&mut self, by: usize, change: Change, again: bool) {
        self.requests.push(Request { by, change, again, abandoned: false });
        self.requests.sort_unstable();
    }

    /// Carries out the change, or refuses it.
    pub(crate) fn carry_out(&mut self, change: Change) -> Answer {
        match change {
            Change::Put(of) => self.manifests = self.manifests.and(Set::one(of)),
            Change::Delete(of) if !self.manifests.has(of) => return Answer::NotFound,
            Change::Delete(of) if self.strict && self.tag.has(of) => return Answer::Protected,
            Change::Delete(of) => self.manifests = self.manifests.without(Set::one(of)),
            Change::Tag(list) if self.strict && !list.is_in(self.manifests) => return Answer::No,
            Change::Tag(list) => self.tag = list,
        }
        Answer::Yes
    }

    /// A write of the tag may still land, also after whoever sent it gave it up: the time in `unsettled_until` has not
    /// passed.
    pub(crate) fn tag_may_change(&self) -> bool {
        self.requests.iter().any(|request| matches!(request.change, Change::Tag(_)))
    }

    /// A write is under way after which the tag would lack this one.
    pub(crate) fn tag_may_lose(&self, of: Referrer) -> bool {
        self.requests.iter().any(|request| matches!(request.change, Change::Tag(list) if !list.has(of)))
    }

    /// A push or delete of a process may still land. `again`: so may the delete that it sent again.
    pub(crate) fn manifest_may_change(&self, by: usize, again: bool) -> bool {
        let counts = |request: &&Request| request.by == by && (again || !request.again);
        self.requests.iter().filter(counts).any(|request| !matches!(request.change, Change::Tag(_)))
    }
}
