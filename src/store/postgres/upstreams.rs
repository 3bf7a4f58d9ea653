//! [`Upstreams`] on PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    batch::{Batch, values},
    database::PostgresStore,
    errors::malformed,
    rows::{
        attempts::micros,
        columns::{get, only},
        upstreams,
    },
};
use crate::{
    oci::Repository,
    store::{Capability, Pending, StoreError, Upstreams},
};

#[async_trait]
impl Upstreams for PostgresStore {
    async fn capabilities(
        &self,
        upstream: &str,
        repository: Option<&Repository>,
    ) -> Result<Vec<Capability>, StoreError> {
        let rows = match repository {
            Some(repository) => self.read(upstreams::CAPABILITIES, values![upstream, repository.as_str()]).await?,
            None => self.read(upstreams::ALL_CAPABILITIES, values![upstream]).await?,
        };
        rows.iter()
            .map(|row| {
                let name: &str = get(row, 0)?;
                let repository = Repository::parse(name).ok_or_else(|| malformed(&format!("{name:?} is no name")))?;
                // Invariant: the SQL gives what is yet to come, but a moment may have passed within it.
                let remaining = Duration::from_micros(get::<i64>(row, 2)?.max(0).unsigned_abs());
                Ok(Capability { repository, what: get(row, 1)?, remaining })
            })
            .collect()
    }

    async fn learn(
        &self,
        upstream: &str,
        repository: &Repository,
        what: &str,
        keep: Duration,
    ) -> Result<(), StoreError> {
        let learn = Batch::of(upstreams::LEARN, values![upstream, repository.as_str(), what, micros(keep)]);
        self.change(upstream, repository, &learn).await.map(drop)
    }

    async fn upstreams(&self) -> Result<Vec<String>, StoreError> {
        self.read(upstreams::NAMES, Vec::new()).await?.iter().map(|row| get(row, 0)).collect()
    }

    async fn pending(&self, upstream: &str) -> Result<Pending, StoreError> {
        let rows = self.read(upstreams::PENDING, values![upstream]).await?;
        let row = only(&rows)?;
        Ok(Pending { referrers_tags: get(row, 0)?, writes: get(row, 1)? })
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn check(&self, upstream: &str) -> Result<(), StoreError> {
        self.read(upstreams::CHECK, values![upstream]).await.map(drop)
    }
}
