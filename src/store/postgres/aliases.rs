//! [`Aliases`] on PostgreSQL.

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Row;

use super::{
    batch::{Batch, Value, values},
    database::PostgresStore,
    rows::{
        aliases,
        columns::{get, key},
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
        let [upstream, repository, digest] = key(of);
        let rows = self.read_aliases(forms::ALIAS, values![upstream, repository, digest]).await?;
        rows.first().map(forms::alias).transpose()
    }

    async fn first_original(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Option<Alias>, StoreError> {
        let [upstream, repository, _] = key(beside);
        let digests: Value<'_> = digests.iter().collect();
        let rows = self.read_aliases(forms::FIRST_ORIGINAL, values![upstream, repository, digests]).await?;
        rows.first().map(forms::alias).transpose()
    }

    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError> {
        let [upstream, repository, digest] = key(original);
        let rows = self.read_aliases(forms::ORIGINAL, values![upstream, repository, digest]).await?;
        rows.first().map(|row| get::<Vec<u8>>(row, 0).map(Bytes::from)).transpose()
    }

    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        let rows = self.read_aliases(forms::ANY_IN, values![upstream, repository.as_str()]).await?;
        Ok(!rows.is_empty())
    }
}

impl PostgresStore {
    /// The rows of a statement that finds nothing as long as no manifest has two forms.
    async fn read_aliases(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<Vec<Row>, StoreError> {
        if self.has_any_alias().await { self.read(sql, values).await } else { Ok(Vec::new()) }
    }

    /// Whether any does. What can't be read now is looked up again: pulls go on without the store.
    async fn has_any_alias(&self) -> bool {
        if let Some(known) = self.aliased.is_known() {
            return known;
        }
        let found = self.read(forms::ANY, Vec::new()).await;
        found.is_ok_and(|rows| self.aliased.found(!rows.is_empty()))
    }
}
