//! On what knowledge rows are changed, and which attempts that closes.

use super::time::StoreTime;

/// What a store knew about a digest when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Grows with every change of any of the digest's rows; 0: there is none.
    pub version: i64,
    /// Another attempt on it was open.
    pub contended: bool,
    /// When it was read.
    pub at: StoreTime,
}

/// The knowledge on which a verdict rests (ARCHITECTURE.md, "What is believed").
#[derive(Clone, Copy, Debug)]
pub struct Basis {
    /// The version that was read before the upstream was asked.
    pub version: i64,
    /// Refuse while another attempt is open. Off once the upstream was asked again: the other will find the version
    /// changed, and ask for itself.
    pub alone: bool,
}

impl Basis {
    /// Whether what is known by now forbids to act on it.
    pub(super) fn is_outdated(self, seen: Seen) -> bool {
        seen.version != self.version || (self.alone && seen.contended)
    }
}

/// What became of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is durable.
    Done,
    /// Somebody else changed the digest, or the tag, meanwhile: ask the upstream again.
    Outdated(Seen),
}

/// Names an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId(pub i64);

/// Which attempts on a digest a verdict closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// None.
    Nothing,
    /// The one that asked.
    One(AttemptId),
    /// None, but the one that asked is given up: it was sent twice, and one of the two may still be carried out.
    GiveUp(AttemptId),
    /// Those whose time was over at that moment, which is before the upstream was asked: what may still land is not over
    /// with what it has done so far.
    Past(StoreTime),
}

impl Close {
    /// The attempt that asked: it does not stand beside itself.
    pub(super) fn asked(self) -> Option<AttemptId> {
        if let Self::One(id) | Self::GiveUp(id) = self { Some(id) } else { None }
    }
}
