//! Who refers to whom: rows of referrers, keyed by upstream, repository and subject.

use std::{collections::HashSet, ops::ControlFlow, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    error::StoreError,
    knowledge::{Applied, Basis, Close, Seen},
};
use crate::{
    oci::{Digest, Repository},
    referrers::{Alias, ManifestKey, Query, Relation},
    upstream::ReadPermit,
};

/// Rows of referrers.
#[async_trait]
pub trait Relations {
    /// What is known about a digest just now.
    async fn look(&self, key: &ManifestKey) -> Result<Seen, StoreError>;

    /// The same of many digests of one repository, in their order.
    async fn look_at_all(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Vec<Seen>, StoreError>;

    /// Applies what the upstream said about a digest, durably, and closes attempts on it; nothing of that if the knowledge
    /// under `basis` is out of date.
    async fn apply(
        &self,
        key: &ManifestKey,
        verdict: Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError>;

    /// Applies many findings, durably, all in one; each by itself may be out of date.
    async fn apply_all(&self, findings: Vec<Finding>) -> Result<Vec<Applied>, StoreError>;

    /// What a query needs to know before it asks the upstream anything: one call, three index look-ups.
    async fn begin_query(&self, subject: &ManifestKey) -> Result<QueryStart, StoreError>;

    /// Gives a subject's listed referrers to `rows`, in the query's order, until that has enough. Which upstream and
    /// repository is the permit's to say.
    async fn list(&self, permit: &ReadPermit, query: &Query, rows: &mut dyn RowSink) -> Result<(), StoreError>;

    /// Up to `limit` referrers of these subjects, listed before missing, newest first, with what is known about each.
    async fn candidates(&self, subjects: &[ManifestKey], limit: usize) -> Result<Vec<(Digest, Seen)>, StoreError>;

    /// Up to `limit` referrers of a subject whose own bytes name it: no other push could make one a referrer. Listed before
    /// missing, newest first.
    async fn stated(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError>;

    /// The digests that a manifest refers to.
    async fn subjects(&self, referrer: &ManifestKey) -> Result<Vec<Digest>, StoreError>;

    /// Which of `digests` are listed as referrers of one of these subjects.
    async fn listed_among(&self, subjects: &[ManifestKey], digests: &[Digest]) -> Result<HashSet<Digest>, StoreError>;

    /// The repositories that have any row.
    async fn repositories(&self, upstream: &str) -> Result<Vec<Repository>, StoreError>;

    /// Up to `limit` digests of a repository, in their order, from behind `after` on.
    async fn recorded(
        &self,
        upstream: &str,
        repository: &Repository,
        which: Recorded,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError>;
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

impl Verdict {
    /// Whether it tells of a manifest's second form.
    pub(super) fn has_two_forms(&self) -> bool {
        matches!(self, Self::Held(relation) if relation.pushed.is_some())
    }
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

/// What a query begins with.
#[derive(Clone, Debug, Default)]
pub struct QueryStart {
    /// The subject's two forms, where it has two.
    pub alias: Option<Alias>,
    /// Attempts on referrers of the subject, in either form, are open.
    pub unresolved: bool,
    /// The version of the subject's set of referrers; 0 where nothing is known of it.
    pub version: i64,
}

/// One listed referrer.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The created annotation, in microseconds since 1970; [`i64::MIN`] without one.
    pub created: i64,
    /// Microseconds since 1970, or one more than the arrival before it.
    pub arrival: i64,
    /// The referrer's digest.
    pub digest: &'a str,
    /// Its descriptor, rendered at the push, in the form that the query asked for.
    pub descriptor: &'a str,
}

/// Takes rows as they are read.
pub trait RowSink: Send {
    /// Takes one; `Break` ends the reading.
    fn row(&mut self, row: Row<'_>) -> ControlFlow<()>;
}

/// Which digests of a repository [`Relations::recorded`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Those that something refers to, or did.
    Subjects,
    /// Of those, to which nothing new has referred for that long.
    Quiet(Duration),
    /// Subjects whose referrers tag is stale.
    Stale,
    /// Subjects of attempts without an outcome.
    Unresolved,
    /// Referrers that are listed.
    Listed,
    /// Referrers that the upstream was seen to have lost.
    Missing,
}
