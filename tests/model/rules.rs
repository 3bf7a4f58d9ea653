//! The rules of the protocol (ARCHITECTURE.md, "What is believed" and "The referrers tag"), each of which a test takes out.

/// One rule. Without it something is lost: the tests under `without/` show what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    // Attempts and verdicts.
    /// A push or delete is noted before it is sent.
    NotedFirst,
    /// Only a definite refusal drops an attempt; an unknown outcome leaves it open.
    UnknownStaysOpen,
    /// A definite refusal of the client's own request drops its attempt.
    RefusalForgets,
    /// Whatever the upstream says, an attempt is settled only when its request could no longer land before the upstream
    /// was asked.
    SettledPastTheDeadline,
    /// The time of an attempt begins anew when its delete is sent again.
    NotedAgain,
    /// A row that is listed already gets a new version by that, which makes no tag stale.
    ListedAlready,
    /// A verdict is applied only on the version that was read before the upstream was asked.
    Versions,
    /// It is applied at once only while no other attempt on the digest is open; otherwise the upstream is asked again.
    Alone,
    /// A deleted row stays, so that its version never comes back.
    DeletedStay,
    /// A delete leaves a row even of a digest that had none.
    UnknownAreMarked,
    /// A query's 404 counts beside a 200 that the same caller got.
    BesideA200,

    // Deleting.
    /// The client's own delete is sent first: until the upstream has carried it out, or protected the referrer from it for
    /// being in the tag, no write of the tag leaves the referrer out.
    OwnDeleteFirst,
    /// A 404 to a delete counts only when a HEAD of the manifest is 404 too.
    HeadBesideThe404,
    /// That HEAD is sent after the row's version was read.
    HeadAfterTheVersion,
    /// And beside a 200 that the same caller got.
    DeletedBesideA200,
    /// A referrer that the registry protects for being in the tag is taken out of it, and deleted then.
    TakenOut,
    /// The tag's lock is held until the delete that was sent again is answered.
    HeldWhileSentAgain,
    /// The delete is sent again only by whose own write took the referrer out of the tag.
    SentAgainByWriters,
    /// A 404 to it is believed as one to the first is.
    DoubtedAgain,
    /// When it is refused, the attempt stays open as one of unknown outcome.
    RefusedAgainStaysOpen,
    /// So does that of a delete whose write of the tag may still land.
    TakenOutStaysOpen,
    /// What was taken out and not deleted is put back.
    PutBack,

    // Writing the tag.
    /// One writes a subject's tag at a time.
    OneLock,
    /// A tag whose index is not the recorded one is read, and what is new in it merged, before it is written.
    Merged,
    /// Entries about which the upstream could not say anything are kept as they are.
    UnjudgedAreKept,
    /// A tag with such an entry stays stale.
    UnjudgedAreStale,
    /// An index is recorded only if every entry is a listed row at that moment.
    RecordedIfListed,
    /// A delete forgets it, in its own transaction.
    ForgottenWithTheDelete,
    /// An entry that was listed when the tag was read, and isn't when the rows are, is asked about like any other.
    StillListed,
    /// Whoever found the recorded index in the tag writes only if it is still recorded once the rows were read.
    StillRecorded,
    /// The tag is marked as unsettled before it is written.
    MarkedFirst,
    /// While an earlier write may still land, no write's success raises `tag_version`.
    LateWritesLand,
    /// What raises it then is a HEAD that was sent when the earlier write could no longer land.
    HeadPastTheTime,
    /// `tag_version` is raised to that of the rows which were written, committed before, not to today's.
    CommittedFirst,
    /// What isn't in the tag makes it stale.
    ChangesMakeStale,
    /// A write that may lack a listed row makes the tag stale before it is sent.
    StaleFirst,
    /// And its success leaves the tag stale.
    StaleAfter,
    /// Its definite refusal undoes that.
    RefusalUndoes,
    /// A 404 of the tag alone, without a write that was accepted or a 200 to the same caller, says nothing.
    TagBesideA200,
    /// What a look at the tag found is written down only if no write of it was begun since.
    SeenAsBefore,
    /// And it raises `tag_version` only if nobody else changed a row since the tag was read.
    CountedBeforeTheLook,
    /// What was read of the tag is written down before anything is sent, as an import does, and whatever comes of that.
    LookedAt,

    // What clients write there themselves.
    /// Before a client's list is forwarded, what is in the tag is merged as before any other write.
    KeptFirst,
    /// An index counts as merged only if it is recorded when the list is sent: not if it was, or was read, some time ago.
    KeptByTheRecord,
    /// It is not forwarded while an entry of the tag can't be judged.
    KeptWhole,
    /// A listed row that the client's list lacks gets a new version before, so that a delete under way asks again.
    DroppedAreVersioned,
    /// What it names is read only after the upstream has accepted it.
    AcceptedFirst,
    /// It is acknowledged when what it names has rows.
    AcknowledgedAfter,
    /// It is not acknowledged when an entry of it can't be judged.
    AcknowledgedWhole,
    /// A list that a client writes adds referrers, and drops none.
    StaleListsDropNone,
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
