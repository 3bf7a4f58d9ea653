//! What is known about upstreams as a whole: what they can do, what is pending, whether the store takes writes.

use std::time::Duration;

use async_trait::async_trait;

use super::error::StoreError;
use crate::oci::Repository;

/// Rows about upstreams.
#[async_trait]
pub trait Upstreams {
    /// What was learned about an upstream and not yet forgotten: of one repository, or of all.
    async fn capabilities(
        &self,
        upstream: &str,
        repository: Option<&Repository>,
    ) -> Result<Vec<Capability>, StoreError>;

    /// Remembers something about an upstream in a repository, for a while, durably.
    async fn learn(
        &self,
        upstream: &str,
        repository: &Repository,
        what: &str,
        keep: Duration,
    ) -> Result<(), StoreError>;

    /// The names under which subjects are on record.
    async fn upstreams(&self) -> Result<Vec<String>, StoreError>;

    /// How much is pending.
    async fn pending(&self, upstream: &str) -> Result<Pending, StoreError>;

    /// Whether other processes may serve on it too, at the same time.
    fn is_shared(&self) -> bool;

    /// Writes something small, the time of this check: an error says why a push with a subject would be refused now.
    async fn check(&self, upstream: &str) -> Result<(), StoreError>;
}

/// Something that an upstream does or doesn't do in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Where.
    pub repository: Repository,
    /// What, in the words that [`Upstreams::learn`] was given.
    pub what: String,
    /// For how long that is still believed.
    pub remaining: Duration,
}

/// How much is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Referrers tags that are stale.
    pub referrers_tags: i64,
    /// Pushes and deletes whose outcome is not known, or that are under way.
    pub writes: i64,
}
