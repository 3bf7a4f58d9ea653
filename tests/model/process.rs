//! Who takes part, and how far each has come.

use std::fmt;

use crate::{
    rights::Rights,
    rules::{Rule, Rules},
    store::TagState,
    upstream::{Answer, Referrer, Set},
    world::World,
};

/// What somebody is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// Pushes a referrer through backref.
    Push(Referrer),
    /// Deletes one through backref.
    Delete(Referrer),
    /// Reads the tag, adds to it, and writes it through backref.
    Absorb(Set),
    /// Writes a list through backref that has nothing to do with what the tag holds. Deleting the index is the same with no
    /// list.
    List(Set),
    /// Has the tag read, and what is new in it recorded: a query, with a permit from before.
    Query,
    /// The same in another process, which doesn't have the lock: `backref backfill`.
    Import,
    /// A query, with a permit from before, that asks about a referrer on record, or one with an orphaned attempt.
    Settle(Referrer),
    /// Flushes what is stale: `backref repair`, or the next push to the subject.
    Repair,
    /// Pushes a referrer and adds it to the tag if it isn't there, around backref.
    Around(Referrer),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Role {
    pub(crate) act: Act,
    pub(crate) rights: Rights,
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rights {
            Rights::All => write!(f, "{:?}", self.act),
            rights => write!(f, "{:?} by {rights:?}", self.act),
        }
    }
}

/// What a process's request to the upstream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The client's own request.
    Own,
    /// The tag without the referrer that a registry protects for being in it.
    TakeOut,
    /// The client's own delete, after that.
    Again,
    /// The client's list is in the tag: what it names is read.
    Accepted,
    /// The tag is to say what the rows say.
    Flush,
}

/// The tag as it was read, or as a client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub(crate) list: Set,
    /// It is the recorded index: nothing in it is to be merged.
    pub(crate) known: bool,
    /// No earlier write could land any more when it was read.
    pub(crate) settled: bool,
    /// The version of the rows when it was read, and what reading it added.
    pub(crate) version: u8,
    /// A write of it was begun since.
    pub(crate) outdated: bool,
    /// What was known before the tag was made stale, to take a referrer out of it.
    pub(crate) undo: Option<TagState>,
    /// Entries that were listed when they were looked at, where that is enough.
    pub(crate) listed: Set,
    /// Entries that the upstream doesn't hold.
    pub(crate) gone: Set,
    /// Entries about which it could not say anything.
    pub(crate) unjudged: Set,
}

/// A write of the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    pub(crate) list: Set,
    /// Of them, those about which nothing is known yet.
    pub(crate) unjudged: Set,
    /// The version of the rows in it.
    pub(crate) version: u8,
    /// No earlier write could still land when the tag was read.
    pub(crate) settled: bool,
    /// What was known before the tag was made stale for it.
    pub(crate) undo: Option<TagState>,
}

/// How far a process has come. What it keeps in memory is in here, and lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Ready,
    /// A client that has read the tag, and will write it.
    Holding(Set),
    /// Before its delete was noted, a HEAD of the manifest was answered.
    Looked,
    /// A push or delete is at the upstream.
    Sent,
    Told(Answer),
    /// A delete was told 404, and that is believed.
    Gone,
    /// Somebody else changed the digest: the upstream is asked what holds now.
    Ask,
    Heard {
        version: u8,
        there: bool,
    },
    /// Asked about an orphan. `past`: which attempts could no longer land before that.
    Asked {
        version: u8,
        there: bool,
        past: u16,
    },
    /// Waits for the tag's lock.
    Queued,
    /// Has read the tag.
    Read(Found),
    /// The upstream was asked about an entry of it that is not listed.
    Judged {
        of: Referrer,
        version: u8,
        there: bool,
        tag: Found,
    },
    /// A write of the tag is at the upstream.
    Writing(Write),
    Written(Write, Answer),
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) role: Role,
    pub(crate) phase: Phase,
    pub(crate) stage: Stage,
    /// The row's version before its push or delete was sent.
    pub(crate) seen: u8,
    /// What a HEAD said before that: 404, or not.
    pub(crate) looked: Option<bool>,
    /// What a client wants the tag to hold.
    pub(crate) wants: Set,
    /// The opposite was asked for at the same time, so that either may be what comes out.
    pub(crate) contested: bool,
}

impl Process {
    pub(crate) fn new(role: Role) -> Self {
        Self { role, phase: Phase::Ready, stage: Stage::Own, seen: 0, looked: None, wants: Set::NONE, contested: false }
    }

    /// Nothing of it is left. Whether its last word was contested goes with it.
    pub(crate) fn over(&mut self) {
        *self = Self { phase: Phase::Over, ..Self::new(self.role) };
    }

    /// Has something that a crash ends: clients and those who have not begun survive.
    pub(crate) fn is_at_work(&self) -> bool {
        !matches!(self.phase, Phase::Ready | Phase::Holding(_) | Phase::Over)
    }

    /// Its push or delete is under way, as far as its client knows.
    pub(crate) fn is_changing(&self, of: Referrer) -> bool {
        let is_its = matches!(self.role.act, Act::Push(its) | Act::Delete(its) if its == of);
        is_its && self.is_at_work() && self.stage != Stage::Flush
    }

    /// Has the tag's lease, by which other processes are kept out: not while a delete is sent again or a client's list read.
    pub(crate) fn has_lease(&self) -> bool {
        let reads = matches!(self.phase, Phase::Read(_) | Phase::Judged { .. });
        let writes = matches!(self.phase, Phase::Writing(_) | Phase::Written(..));
        writes || (reads && matches!(self.stage, Stage::TakeOut | Stage::Flush))
    }

    pub(crate) fn can_step(&self, rules: Rules, world: &World, who: usize) -> bool {
        let free = world.lock.is_none_or(|owner| owner == who) || !rules.hold(Rule::OneLock);
        match (self.phase, self.role.act) {
            (Phase::Ready, Act::Repair) => {
                world.lock.is_none() && (world.store.is_stale() || world.store.tag.unsettled)
            }
            (Phase::Ready, Act::Settle(of)) => world.store.listed().has(of) || world.orphans(of).next().is_some(),
            (Phase::Ready, Act::Around(of)) => world.can_go_around(of),
            (Phase::Queued | Phase::Holding(_), _) | (Phase::Ready, Act::Query) => free,
            (Phase::Sent | Phase::Writing(_) | Phase::Over, _) => false,
            _ => true,
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer) {
        self.phase = match self.phase {
            Phase::Sent => Phase::Told(answer),
            Phase::Writing(write) => Phase::Written(write, answer),
            other => other,
        };
    }
}
