//! [`Inventory`] on SQLite.

use async_trait::async_trait;

use super::{clock::now, database::SqliteStore, rows::inventory};
use crate::{
    oci::Repository,
    referrers::ManifestKey,
    store::{Counts, Found, Inventory, ReferrerRow, StaleTag, StoreError, SubjectCursor, SubjectRow, Unresolved},
};

#[async_trait]
impl Inventory for SqliteStore {
    async fn count(&self, upstream: &str, most: usize, newest: usize) -> Result<Counts, StoreError> {
        self.read(|db| inventory::count(db, upstream, most, newest))
    }

    async fn subjects_by_change(
        &self,
        upstream: &str,
        repository: &Repository,
        after: Option<&SubjectCursor>,
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.read(|db| inventory::subjects_by_change(db, (upstream, repository), after, limit))
    }

    async fn referrers_of(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<ReferrerRow>, StoreError> {
        self.read(|db| inventory::referrers_of(db, subject, limit))
    }

    async fn stale_tags(&self, upstream: &str, limit: usize) -> Result<Vec<StaleTag>, StoreError> {
        self.read(|db| inventory::stale_tags(db, upstream, limit, now()))
    }

    async fn unresolved(&self, upstream: &str, limit: usize) -> Result<Vec<Unresolved>, StoreError> {
        self.read(|db| inventory::unresolved(db, upstream, limit, now()))
    }

    async fn find(&self, upstream: &str, prefix: &str, limit: usize) -> Result<Vec<Found>, StoreError> {
        self.read(|db| inventory::find(db, upstream, prefix, limit))
    }

    async fn size(&self) -> Result<i64, StoreError> {
        self.read(inventory::size)
    }
}
