//! Who takes part, and how far each has come.

use crate::{
    rules::{Rule, Rules},
    upstream::{Answer, Referrer, Set},
    world::World,
};

/// What somebody is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Pushes a referrer through backref.
    Push(Referrer),
    /// Deletes one through backref. Not every deleter may push, and so write the tag.
    Delete { of: Referrer, may_push: bool },
    /// Reads the tag, adds to it, and writes it through backref.
    Absorb { adds: Set },
    /// Asks for the subject's referrers: the tag is read, and what is new in it recorded.
    Import,
    /// Asks about a referrer on record, or one with an orphaned attempt. Not everybody may see the repository.
    Settle { of: Referrer, sees: bool },
    /// Pays what is owed: `backref repair`, or the next push to the subject.
    Repair,
    /// Pushes a referrer and adds it to the tag, around backref.
    Around(Referrer),
}

/// The tag as it was read, or as a client is about to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub(crate) list: Set,
    /// No earlier write could land any more when it was read.
    pub(crate) settled: bool,
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
    /// No earlier write could still land when it was sent.
    pub(crate) settled: bool,
}

/// How far a process has come. What it keeps in memory is in here, and lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Ready,
    /// A client that has read the tag, and will write it.
    Holding(Set),
    /// A push or delete is at the upstream; the row's version was read before.
    Sent {
        version: u8,
    },
    Told {
        version: u8,
        answer: Answer,
    },
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
        past: u8,
    },
    /// Waits for the turn to write the tag.
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
    /// Before the tag is written as the rows are, a deleter writes it without the referrer, an absorber as its client wants it.
    pub(crate) first: bool,
    /// What an absorber's client wants the tag to hold.
    pub(crate) wants: Set,
    /// The opposite was asked for at the same time, so that either may be what comes out.
    pub(crate) contested: bool,
}

impl Process {
    pub(crate) fn new(role: Role) -> Self {
        let first = matches!(role, Role::Delete { .. } | Role::Absorb { .. });
        Self { role, phase: Phase::Ready, first, wants: Set::NONE, contested: false }
    }

    /// Has something that a crash ends: clients and those who have not begun survive.
    pub(crate) fn is_at_work(&self) -> bool {
        !matches!(self.phase, Phase::Ready | Phase::Holding(_) | Phase::Over)
    }

    pub(crate) fn can_step(&self, rules: Rules, world: &World, who: usize) -> bool {
        let free = world.turn.is_none_or(|owner| owner == who) || !rules.hold(Rule::OneTurn);
        match (self.phase, self.role) {
            (Phase::Ready, Role::Repair) => world.turn.is_none() && (world.store.owes() || world.store.unsettled),
            (Phase::Ready, Role::Settle { of, .. }) => {
                world.store.listed().has(of)
                    || world.store.attempts.iter().any(|attempt| attempt.orphan && attempt.of == of)
            }
            // Known limit: not between our HEAD and our PUT, nor while an abandoned PUT of ours may still land.
            (Phase::Ready, Role::Around(_)) => world.turn.is_none() && !world.upstream.tag_may_change(),
            (Phase::Queued | Phase::Holding(_), _) => free,
            (Phase::Sent { .. } | Phase::Writing(_) | Phase::Over, _) => false,
            _ => true,
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer) {
        self.phase = match self.phase {
            Phase::Sent { version } => Phase::Told { version, answer },
            Phase::Writing(write) => Phase::Written(write, answer),
            other => other,
        };
    }
}
