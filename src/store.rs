//! The store: an index of who refers to whom. The trait is SQL's vocabulary, without decisions: whoever calls it
//! decides, and says on what knowledge (see [`Basis`]).

mod sqlite;
mod tag;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    oci::{Digest, Listed, Repository},
    referrers::{Alias, ManifestKey, Page, Pushed, Query, Relation, RelationTag},
};

pub use sqlite::{OpenFor, SqliteStore};
pub use tag::{Holds, Owed, TagEnd, TagState};

/// What every store can do. Reads are answered on the calling thread: a hop to another costs more than the read.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens what the calling thread will read by, while the store is there to be opened.
    fn prepare_thread(&self) -> Result<(), StoreError>;

    /// Notes that a push or delete is about to be sent. Survives `kill -9`; not synced, since nothing is acknowledged.
    async fn begin(&self, attempt: &Attempt) -> Result<Seen, StoreError>;

    /// Forgets an attempt that certainly changed nothing.
    async fn drop_attempt(&self, id: AttemptId) -> Result<(), StoreError>;

    /// Gives up an attempt of unknown outcome: whoever asks about its subject next may settle it.
    async fn release(&self, id: AttemptId) -> Result<(), StoreError>;

    /// What is known about a digest just now.
    async fn look(&self, key: &ManifestKey) -> Result<Seen, StoreError>;

    /// What is known about a digest and a tag that may be on it, both together.
    async fn look_at_tag(&self, key: &ManifestKey, tag: &str) -> Result<TagSeen, StoreError>;

    /// Applies what the upstream said about a digest, durably, and closes the attempt that asked; nothing of it if
    /// the knowledge under `basis` is out of date.
    async fn apply(
        &self,
        key: &ManifestKey,
        verdict: Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError>;

    /// Applies many of the upstream's words, durably, all in one; each by itself may be out of date.
    async fn apply_all(&self, findings: Vec<Finding>) -> Result<Vec<Applied>, StoreError>;

    /// Applies what the upstream said a tag is on, durably, and closes the attempt that asked; nothing of it if the
    /// knowledge about `key` and `tag` under `basis` is out of date. Who was known by this tag alone is listed no more.
    async fn apply_tag(
        &self,
        key: &ManifestKey,
        tag: &RelationTag,
        verdict: TagVerdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError>;

    /// Keeps both forms of a manifest that refers to nothing, durably. Of one that does, [`Store::apply`] keeps them.
    async fn keep(&self, carrier: &ManifestKey, pushed: Pushed) -> Result<(), StoreError>;

    /// Both forms of a manifest, by the digest of either.
    async fn alias(&self, key: &ManifestKey) -> Result<Option<Alias>, StoreError>;

    /// The bytes that were pushed under `original`, where the upstream holds another form.
    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError>;

    /// Whether anything in a repository has two forms.
    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError>;

    /// A page of a subject's listed referrers, by arrival.
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// The digests that a manifest refers to, as far as is on record.
    async fn subjects(&self, referrer: &ManifestKey) -> Result<Vec<Digest>, StoreError>;

    /// Whether a manifest is listed as a referrer of one of `subject`'s forms.
    async fn is_listed(&self, subject: &[ManifestKey], referrer: &Digest) -> Result<bool, StoreError>;

    /// What is known about a subject's referrers tag; `None` of a subject that nothing refers to.
    async fn tag(&self, subject: &ManifestKey) -> Result<Option<TagState>, StoreError>;

    /// Takes the turn to write a subject's referrers tag, which is unsettled from now on until `until` (microseconds
    /// since 1970), and owed if what is about to be written `may_lack` something on record. Gives what was known before;
    /// `None` while another process has the turn.
    async fn begin_tag(
        &self,
        subject: &ManifestKey,
        until: i64,
        may_lack: bool,
    ) -> Result<Option<TagState>, StoreError>;

    /// Writes down what became of the tag, durably.
    async fn end_tag(&self, subject: &ManifestKey, end: TagEnd) -> Result<(), StoreError>;

    /// Writes down what a referrers tag was seen to hold; nothing while another process has the turn to write it.
    async fn see_tag(&self, subject: &ManifestKey, holds: Holds) -> Result<(), StoreError>;

    /// Forgets what a referrers tag resolves to, whoever has the turn to write it: it is read before it is written again.
    async fn forget_tag(&self, subject: &ManifestKey) -> Result<(), StoreError>;

    /// What a subject's referrers tag should hold, by arrival: who refers to it or to `alias`, its other form. `None`
    /// where that is more than `max_bytes`.
    async fn entries(
        &self,
        subject: &ManifestKey,
        alias: Option<&Digest>,
        without_subject: bool,
        max_bytes: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError>;

    /// The subject whose referrers tag was last known to resolve to `index`.
    async fn tagged(&self, index: &ManifestKey) -> Result<Option<Digest>, StoreError>;

    /// How much is open: referrers tags that are behind, attempts without an outcome.
    async fn owed(&self, upstream: &str) -> Result<Owed, StoreError>;

    /// The repositories of which anything is on record.
    async fn repositories(&self, upstream: &str) -> Result<Vec<Repository>, StoreError>;

    /// Up to `limit` digests of a repository's, in their order, from behind `after` on.
    async fn known(
        &self,
        upstream: &str,
        repository: &Repository,
        what: Known,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError>;

    /// Up to `limit` referrers of a subject, listed before missing, newest first.
    async fn recorded(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError>;

    /// The same, but only those whose own bytes name the subject: no other push could make one a referrer.
    async fn stated(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError>;

    /// Up to `limit` digests with attempts that nobody works on any more, since their owner is gone or their deadline;
    /// those that can be settled for good first, otherwise by chance, so that none waits behind the same others.
    async fn orphans(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Orphan>, StoreError>;

    /// What was learned about an upstream, as [`Store::learn`] was given it.
    async fn learned(&self, upstream: &str) -> Result<Option<String>, StoreError>;

    /// Remembers what was learned about an upstream: JSON.
    async fn learn(&self, upstream: &str, learned: String) -> Result<(), StoreError>;

    /// Writes something small, the time of this check: an error says why a push with a subject would be refused now.
    async fn check(&self, upstream: &str) -> Result<(), StoreError>;
}

/// A push or delete on its way.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Random.
    pub id: AttemptId,
    /// Push or delete.
    pub kind: AttemptKind,
    /// Of which manifest.
    pub key: ManifestKey,
    /// The manifest's subject, where it is known.
    pub subject: Option<Digest>,
    /// The tag that says the subject, where the attempt moves or removes it.
    pub tag: Option<Box<str>>,
    /// When the upstream can no longer act on it: microseconds since 1970.
    pub deadline: i64,
}

/// What an [`Attempt`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// A manifest PUT.
    Push,
    /// A manifest DELETE.
    Delete,
}

/// Names an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId(pub i64);

/// A digest, perhaps with a tag, with attempts that nobody works on any more.
#[derive(Clone, Debug)]
pub struct Orphan {
    /// Of which manifest.
    pub digest: Digest,
    /// Of which tag, where that says the subject.
    pub tag: Option<Box<str>>,
    /// None of their requests can reach the upstream any more, so that a 404 is the last word.
    pub expired: bool,
}

/// Which attempts on a digest a verdict closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// None.
    Nothing,
    /// The one that asked.
    One(AttemptId),
    /// None, but the one that asked is given up: it was sent twice, and one of them may still be carried out.
    GiveUp(AttemptId),
    /// Those that could no longer be carried out at that time, which is before the upstream was asked (microseconds since
    /// 1970): what may still land is not over with what it has done so far.
    Past(i64),
}

/// Which digests of a repository's [`Store::known`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Those that something refers to, or did.
    Subjects,
    /// Of those, to which nothing new has referred since that time: microseconds since 1970.
    Quiet {
        /// The time.
        since: i64,
    },
    /// Subjects whose referrers tag is behind what is on record.
    Owed,
    /// Subjects of attempts without an outcome.
    Open,
    /// Referrers that are listed.
    Listed,
    /// Referrers that the upstream was seen to have lost.
    Missing,
}

/// What the store knew about a digest when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Grows with every change of any of the digest's rows.
    pub version: i64,
    /// Another attempt on it was open.
    pub contended: bool,
}

/// What the store knew about a digest and a tag when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSeen {
    /// Of both: the version grows with every change of either.
    pub seen: Seen,
    /// Which referrer the tag was on.
    pub on: Option<Digest>,
}

/// The knowledge on which a verdict rests (ARCHITECTURE.md's "What is believed").
#[derive(Clone, Copy, Debug)]
pub struct Basis {
    /// The version read before the upstream was asked.
    pub version: i64,
    /// Refuse while another attempt is open. Off once the upstream was asked again: the other will find the version
    /// changed, and ask for itself.
    pub alone: bool,
}

/// What the upstream said about a digest.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It holds the manifest that states this relation.
    Held(Arc<Relation>),
    /// It holds it; a row that was missing is listed again.
    Seen,
    /// It deleted it: listed no more, and remembered for a while, so that nothing slow brings it back. With it goes the
    /// knowledge of its other form.
    Deleted,
    /// It answered 404 beside a 200: missing; dropped when that was so a day ago already.
    Absent,
}

/// The upstream's word about one digest, and the knowledge on which it rests.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Of which manifest.
    pub key: ManifestKey,
    /// What it said.
    pub verdict: Verdict,
    /// What was known before it was asked.
    pub basis: Basis,
}

/// What the upstream said about a tag.
#[derive(Clone, Debug)]
pub enum TagVerdict {
    /// It is on the manifest that so has this relation.
    On(Arc<Relation>),
    /// It is on nothing that refers by it, or gone.
    Off,
}

/// What became of [`Store::apply`] or [`Store::apply_tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is durable.
    Done,
    /// Somebody else changed the digest, or the tag, meanwhile: ask the upstream again.
    Outdated(Seen),
}

/// Why the store can't do what it was asked for now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused, for example since the disk is full.
    #[error("the store cannot be used: {0}")]
    Database(String),
    /// The file at the path is not the one that was opened.
    #[error(
        "the store's file {0} was moved, deleted or replaced while in use; restart backref to use what is there now"
    )]
    Moved(PathBuf),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

/// Why a store can't be opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("cannot open the store {path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("{0} is not a backref store: choose another path with --store sqlite:PATH")]
    Foreign(PathBuf),
    #[error("{path} was written by a newer backref (schema {found}, this one knows {known}): use that release")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{0} is in use by another `backref serve`: stop it, or choose another path with --store sqlite:PATH")]
    InUse(PathBuf),
}

/// Microseconds since 1970.
pub fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
