//! [`Upstreams`] on SQLite.

use std::time::Duration;

use async_trait::async_trait;

use super::{clock::now, database::SqliteStore, rows::upstreams, writer::Durability};
use crate::{
    oci::Repository,
    store::{Capability, Pending, StoreError, Upstreams},
};

#[async_trait]
impl Upstreams for SqliteStore {
    async fn capabilities(
        &self,
        upstream: &str,
        repository: Option<&Repository>,
    ) -> Result<Vec<Capability>, StoreError> {
        self.read(|db| upstreams::capabilities(db, upstream, repository, now()))
    }

    async fn learn(
        &self,
        upstream: &str,
        repository: &Repository,
        what: &str,
        keep: Duration,
    ) -> Result<(), StoreError> {
        let (upstream, repository, what) = (upstream.to_owned(), repository.clone(), what.to_owned());
        self.write(Durability::Disk, move |db, now| {
            upstreams::learn(db, (&upstream, &repository), &what, now.after(keep), now)
        })
        .await
    }

    async fn upstreams(&self) -> Result<Vec<String>, StoreError> {
        self.read(upstreams::names)
    }

    async fn pending(&self, upstream: &str) -> Result<Pending, StoreError> {
        self.read(|db| upstreams::pending(db, upstream))
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn check(&self, upstream: &str) -> Result<(), StoreError> {
        let upstream = upstream.to_owned();
        self.write(Durability::Process, move |db, now| upstreams::check(db, &upstream, now)).await
    }
}
