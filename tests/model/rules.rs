//! The rules of ARCHITECTURE.md's "What is believed", each of which a test takes out.

/// One rule. Without it something is lost: `main.rs` shows what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A push or delete is noted before it is sent.
    NotedFirst,
    /// Only a definite no drops an attempt; an unknown outcome leaves it open.
    UnknownStaysOpen,
    /// Whatever the upstream says, an attempt is settled only when its request could no longer land before the upstream
    /// was asked.
    SettledPastTheDeadline,
    /// A verdict is applied only on the version that was read before the upstream was asked.
    Versions,
    /// It is applied at once only while no other attempt on the digest is open; otherwise the upstream is asked again.
    Alone,
    /// A deleted row stays, so that its version never comes back.
    DeletedStay,
    /// A delete leaves a row even of a digest that had none.
    UnknownAreMarked,
    /// A 404 counts beside a 200 that the same caller got.
    BesideA200,
    /// One writes a subject's tag at a time.
    OneTurn,
    /// A tag whose digest is not the one on record is read, and what is new in it merged, before it is written.
    Merged,
    /// Entries about which the upstream could not say anything are kept as they are.
    UnjudgedAreKept,
    /// A tag with such an entry stays owed.
    UnjudgedOwe,
    /// `tag_digest` names only what was judged: a delete of one of its entries forgets it.
    JudgedDigest,
    /// A tag is marked as unsettled before it is written.
    MarkedFirst,
    /// While an earlier write may still land, no write's success raises `tag_version`.
    LateWritesLand,
    /// What raises it then is a HEAD that was sent when the earlier write could no longer land.
    HeadPastTheTime,
    /// `tag_version` is raised to that of the rows which were written, committed before, not to today's.
    CommittedFirst,
    /// What isn't in the tag makes it owed.
    ChangesOwe,
    /// A write that leaves out a listed row makes the tag owed before it is sent, and its success pays nothing.
    OwedFirst,
    /// Before it is forwarded, what is in the tag is merged as before any other write.
    AbsorbedBesideTheTag,
    /// It is not forwarded while an entry of it can't be judged.
    AbsorbedWhole,
    /// A list that a client writes adds referrers, and drops none.
    StaleListsDropNone,
    /// A referrer is taken out of the tag before it is deleted.
    OutOfTheTagFirst,
    /// The delete is noted before that, and no refusal drops the note: it is settled as if its outcome were unknown.
    TakenOutOnRecord,
    /// A refused delete puts the entry back.
    PutBack,
}

/// All rules, or all but one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) without: Option<Rule>,
}

impl Rules {
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
