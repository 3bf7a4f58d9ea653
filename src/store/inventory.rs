//! What a store holds, for an operator to look at. No permit is asked: nothing of it may reach a client of the registry.

use async_trait::async_trait;

use super::{error::StoreError, referrers_tags::TagState};
use crate::{
    oci::{Digest, Repository, Via},
    referrers::ManifestKey,
};

/// Reads for the operator's page. Those of one repository cost what they give; [`Inventory::count`] reads everything.
#[async_trait]
pub trait Inventory {
    /// How much there is of each repository, those with most referrers first, `most` of them; and the subjects whose
    /// referrers changed last, `newest` of them. Takes seconds where there are millions of rows.
    async fn count(&self, upstream: &str, most: usize, newest: usize) -> Result<Counts, StoreError>;

    /// A repository's subjects, those whose referrers changed last first, from behind `after` on.
    async fn subjects_by_change(
        &self,
        upstream: &str,
        repository: &Repository,
        after: Option<&SubjectCursor>,
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError>;

    /// A subject's referrers, listed and missing, the newest first.
    async fn referrers_of(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<ReferrerRow>, StoreError>;

    /// Subjects whose referrers tag lacks a change, of all repositories.
    async fn stale_tags(&self, upstream: &str, limit: usize) -> Result<Vec<StaleTag>, StoreError>;

    /// Pushes and deletes whose outcome is not known, of all repositories, the oldest first.
    async fn unresolved(&self, upstream: &str, limit: usize) -> Result<Vec<Unresolved>, StoreError>;

    /// Subjects and referrers whose digest begins with a text, of all repositories.
    async fn find(&self, upstream: &str, prefix: &str, limit: usize) -> Result<Vec<Found>, StoreError>;

    /// How many bytes it takes where it is kept.
    async fn size(&self) -> Result<i64, StoreError>;
}

/// What [`Inventory::count`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Each repository, those with most referrers first.
    pub repositories: Vec<RepositoryCount>,
    /// How many repositories there are, whether or not they are among these.
    pub all: usize,
    /// Of all of them: manifests that something refers to, or did.
    pub subjects: i64,
    /// Of all of them: referrers that are listed.
    pub referrers: i64,
    /// The subjects whose referrers changed last, the last first.
    pub newest: Vec<Change>,
}

/// How much there is of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryCount {
    /// Its name.
    pub repository: String,
    /// Manifests that something refers to, or did.
    pub subjects: i64,
    /// Referrers that are listed.
    pub referrers: i64,
    /// Subjects whose referrers tag lacks a change.
    pub stale: i64,
    /// When the referrers of any of them changed last, in microseconds since 1970.
    pub last_change: i64,
}

/// A subject, and when its referrers changed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The repository's name.
    pub repository: String,
    /// The subject.
    pub subject: Digest,
    /// In microseconds since 1970.
    pub at: i64,
}

/// A place in a list of subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectCursor {
    /// When the subject's referrers changed last, in microseconds since 1970.
    pub last_change: i64,
    /// The subject.
    pub subject: Digest,
}

/// A subject, and what refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// The subject.
    pub subject: Digest,
    /// When its referrers changed last, in microseconds since 1970; 0: never.
    pub last_change: i64,
    /// Its referrers tag lacks a change.
    pub is_stale: bool,
    /// How many of its listed referrers have which artifact type, of the first [`COUNTED`].
    pub types: Vec<(Option<String>, i64)>,
}

/// How many referrers of a subject are counted.
pub const COUNTED: usize = 1000;

/// A referrer as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerRow {
    /// Its digest.
    pub digest: Digest,
    /// The upstream was seen to have lost it, so that it isn't listed.
    pub is_missing: bool,
    /// How it is known whom it refers to.
    pub via: Via,
    /// When it arrived, in microseconds since 1970, or one more than the arrival before it.
    pub arrival: i64,
    /// Its descriptor, JSON, in the form that the upstream holds.
    pub descriptor: String,
    /// Its descriptor as it was pushed, where that is another.
    pub original: Option<String>,
}

/// A subject whose referrers tag lacks a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleTag {
    /// The repository's name.
    pub repository: String,
    /// The subject.
    pub subject: Digest,
    /// What is known about the tag.
    pub tag: TagState,
    /// A process writes it now.
    pub is_being_written: bool,
}

/// A push or a delete whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The repository's name.
    pub repository: String,
    /// Which manifest was pushed or deleted.
    pub digest: Digest,
    /// It is a delete.
    pub is_delete: bool,
    /// Until when its outcome may come by itself, in microseconds since 1970.
    pub deadline: i64,
    /// Whoever sent it has given up, or is gone: the next query for the subject finds out.
    pub is_orphan: bool,
}

/// A manifest that was looked for by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The repository's name.
    pub repository: String,
    /// The manifest.
    pub digest: Digest,
}
