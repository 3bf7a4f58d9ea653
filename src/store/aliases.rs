//! Manifests in two forms: as they were pushed, and as the upstream holds them.

use async_trait::async_trait;
use bytes::Bytes;

use super::error::StoreError;
use crate::{
    oci::{Digest, Repository},
    referrers::{Alias, ManifestKey, Pushed},
};

/// Rows of aliases.
#[async_trait]
pub trait Aliases {
    /// Keeps both forms of a manifest that refers to nothing, durably. Of one that does, [`super::Relations::apply`] keeps
    /// them.
    async fn keep(&self, carrier: &ManifestKey, pushed: Pushed) -> Result<(), StoreError>;

    /// Both forms of a manifest, by the digest of either.
    async fn alias(&self, key: &ManifestKey) -> Result<Option<Alias>, StoreError>;

    /// The first of `digests`, of one repository, that is an original.
    async fn first_original(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Option<Alias>, StoreError>;

    /// The bytes that were pushed under `original`.
    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError>;

    /// Whether anything in a repository has two forms.
    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError>;
}
