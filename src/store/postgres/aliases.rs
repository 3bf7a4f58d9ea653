//! [`Aliases`] on PostgreSQL.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    batch::{Batch, Value, values},
    database::PostgresStore,
    rows::{
        aliases,
        columns::{get, key, only},
        forms,
    },
};
use crate::{
    oci::{Digest, Repository},
    referrers::{Alias, ManifestKey, Pushed},
    store::{Aliases, StoreError},
};

#[async_trait]
impl Aliases for PostgresStore {
    async fn keep(&self, carrier: &ManifestKey, pushed: Pushed) -> Result<(), StoreError> {
        self.aliased.note();
        let mut batch = Batch::default();
        aliases::keep(&mut batch, carrier, &pushed);
        self.change(&carrier.upstream, &carrier.repository, &batch).await.map(drop)
    }

    async fn alias(&self, of: &ManifestKey) -> Result<Option<Alias>, StoreError> {
        if !self.has_any_alias().await {
            return Ok(None);
        }
        let [upstream, repository, digest] = key(of);
        let rows = self.read(forms::ALIAS, values![upstream, repository, digest]).await?;
        rows.first().map(forms::alias).transpose()
    }

    async fn first_original(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Option<Alias>, StoreError> {
        if !self.has_any_alias().await {
            return Ok(None);
        }
        let [upstream, repository, _] = key(beside);
        let digests: Value<'_> = digests.iter().map(Digest::as_str).collect();
        let rows = self.read(forms::FIRST_ORIGINAL, values![upstream, repository, digests]).await?;
        rows.first().map(forms::alias).transpose()
    }

    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError> {
        if !self.has_any_alias().await {
            return Ok(None);
        }
        let [upstream, repository, digest] = key(original);
        let rows = self.read(forms::ORIGINAL, values![upstream, repository, digest]).await?;
        rows.first().map(|row| get::<Vec<u8>>(row, 0).map(Bytes::from)).transpose()
    }

    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        if !self.has_any_alias().await {
            return Ok(false);
        }
        let rows = self.read(forms::ANY_IN, values![upstream, repository.as_str()]).await?;
        get(only(&rows)?, 0)
    }
}

impl PostgresStore {
    /// Whether any manifest has two forms. What can't be read now is looked up again: pulls go on without the store.
    pub(super) async fn has_any_alias(&self) -> bool {
        if let Some(known) = self.aliased.is_known() {
            return known;
        }
        let found = self.read(forms::ANY, Vec::new()).await;
        found.and_then(|rows| Ok(self.aliased.found(get(only(&rows)?, 0)?))).unwrap_or_default()
    }
}
