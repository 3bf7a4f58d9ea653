//! [`Inventory`] on PostgreSQL.

use async_trait::async_trait;

use super::{
    batch::values,
    database::PostgresStore,
    rows::{
        columns::{get, key, limit, only},
        inventory,
    },
};
use crate::{
    oci::Repository,
    referrers::ManifestKey,
    store::{
        COUNTED, Counts, Found, Inventory, ReferrerRow, StaleTag, StoreError, SubjectCursor, SubjectRow, Unresolved,
    },
};

#[async_trait]
impl Inventory for PostgresStore {
    async fn count(&self, upstream: &str, most: usize, newest: usize) -> Result<Counts, StoreError> {
        let rows = self.read(inventory::COUNT, values![upstream, limit(most)]).await?;
        let total = |column| rows.first().map_or(Ok(0), |row| get::<i64>(row, column));
        let all = total(5)?;
        let last = self.read(inventory::NEWEST, values![upstream, limit(newest)]).await?;
        Ok(Counts {
            repositories: rows.iter().map(inventory::repository).collect::<Result<_, _>>()?,
            all: usize::try_from(all).unwrap_or_default(),
            subjects: total(6)?,
            referrers: total(7)?,
            newest: last.iter().map(inventory::arrival).collect::<Result<_, _>>()?,
        })
    }

    async fn subjects_by_change(
        &self,
        upstream: &str,
        repository: &Repository,
        after: Option<&SubjectCursor>,
        most: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        let after = after.map_or((i64::MAX, ""), |after| (after.last_change, after.subject.as_str()));
        let values = values![upstream, repository.as_str(), after.0, after.1, limit(most), limit(COUNTED)];
        inventory::subjects(&self.read(inventory::SUBJECTS, values).await?)
    }

    async fn referrers_of(&self, subject: &ManifestKey, most: usize) -> Result<Vec<ReferrerRow>, StoreError> {
        let [upstream, repository, subject] = key(subject);
        let rows = self.read(inventory::REFERRERS, values![upstream, repository, subject, limit(most)]).await?;
        rows.iter().map(inventory::referrer).collect()
    }

    async fn stale_tags(&self, upstream: &str, most: usize) -> Result<Vec<StaleTag>, StoreError> {
        self.read(inventory::STALE, values![upstream, limit(most)]).await?.iter().map(inventory::stale).collect()
    }

    async fn unresolved(&self, upstream: &str, most: usize) -> Result<Vec<Unresolved>, StoreError> {
        let rows = self.read(inventory::UNRESOLVED, values![upstream, limit(most)]).await?;
        rows.iter().map(inventory::unresolved).collect()
    }

    async fn find(&self, upstream: &str, prefix: &str, most: usize) -> Result<Vec<Found>, StoreError> {
        // Behind whatever begins with it: digests are ASCII, and are compared byte by byte.
        let end = format!("{prefix}\u{7f}");
        let rows = self.read(inventory::FIND, values![upstream, prefix, &end, limit(most)]).await?;
        rows.iter().map(inventory::found).collect()
    }

    async fn size(&self) -> Result<i64, StoreError> {
        get(only(&self.read(inventory::SIZE, Vec::new()).await?)?, 0)
    }
}
