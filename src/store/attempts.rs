//! Pushes and deletes on their way: noted before they are sent, forgotten when their outcome is known.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    error::StoreError,
    knowledge::{AttemptId, Seen},
};
use crate::{oci::Digest, referrers::ManifestKey};

/// Rows of attempts.
#[async_trait]
pub trait Attempts {
    /// Notes that a push or delete is about to be sent, and gives what is known about its digest (and tag). Survives
    /// `kill -9`, not a power cut: nothing is acknowledged by it.
    ///
    /// Without a subject it is found by each subject that the digest's rows name.
    async fn begin(&self, attempt: &Attempt) -> Result<Seen, StoreError>;

    /// Forgets an attempt on `key` that certainly changed nothing.
    async fn drop_attempt(&self, key: &ManifestKey, id: AttemptId) -> Result<(), StoreError>;

    /// Gives up an attempt on `key` of unknown outcome: whoever asks about its subject next may settle it.
    async fn release(&self, key: &ManifestKey, id: AttemptId) -> Result<(), StoreError>;

    /// Up to `limit` attempts on referrers of these subjects that nobody works on any more, since their owner is gone or
    /// their time is over. Those that can be settled for good come first, the others by chance, so that none waits behind
    /// the same others.
    async fn orphans(&self, subjects: &[ManifestKey], limit: usize) -> Result<Vec<Orphan>, StoreError>;
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
    /// For how long the upstream may still act on it.
    pub lasts: Duration,
}

/// What an [`Attempt`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// A manifest PUT.
    Push,
    /// A manifest DELETE.
    Delete,
}

/// A digest, perhaps with a tag, with attempts that nobody works on any more.
#[derive(Clone, Debug)]
pub struct Orphan {
    /// The subject by which it was found.
    pub subject: Digest,
    /// Of which manifest.
    pub digest: Digest,
    /// Of which tag, where that says the subject.
    pub tag: Option<Box<str>>,
    /// None of their requests can reach the upstream any more, so that a 404 is the last word.
    pub expired: bool,
}
