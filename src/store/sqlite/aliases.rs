//! [`Aliases`] on SQLite.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    database::SqliteStore,
    rows::{aliases, forms},
    writer::Durability,
};
use crate::{
    oci::{Digest, Repository},
    referrers::{Alias, ManifestKey, Pushed},
    store::{Aliases, StoreError},
};

#[async_trait]
impl Aliases for SqliteStore {
    async fn keep(&self, carrier: &ManifestKey, pushed: Pushed) -> Result<(), StoreError> {
        self.note_alias();
        let carrier = carrier.clone();
        self.write(Durability::Disk, move |db, _| aliases::keep(db, &carrier, &pushed)).await
    }

    async fn alias(&self, key: &ManifestKey) -> Result<Option<Alias>, StoreError> {
        self.read_aliases(|db| forms::alias(db, key))
    }

    async fn first_original(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Option<Alias>, StoreError> {
        self.read_aliases(|db| forms::first_original(db, beside, digests))
    }

    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError> {
        self.read_aliases(|db| forms::original(db, original))
    }

    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        self.read_aliases(|db| forms::any_in(db, upstream, repository))
    }
}
