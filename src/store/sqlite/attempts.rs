//! [`Attempts`] on SQLite.

use async_trait::async_trait;

use super::{clock::now, database::SqliteStore, rows::attempts, writer::Durability};
use crate::{
    referrers::ManifestKey,
    store::{Attempt, AttemptId, Attempts, Orphan, Seen, StoreError},
};

#[async_trait]
impl Attempts for SqliteStore {
    async fn begin(&self, attempt: &Attempt) -> Result<Seen, StoreError> {
        let (attempt, owner) = (attempt.clone(), self.owner());
        self.write(Durability::Process, move |db, now| attempts::begin(db, &attempt, &owner, now)).await
    }

    async fn drop_attempt(&self, _: &ManifestKey, id: AttemptId) -> Result<(), StoreError> {
        self.write(Durability::Process, move |db, _| attempts::forget(db, id)).await
    }

    async fn release(&self, _: &ManifestKey, id: AttemptId) -> Result<(), StoreError> {
        self.write(Durability::Process, move |db, _| attempts::release(db, id)).await
    }

    async fn orphans(&self, subjects: &[ManifestKey], limit: usize) -> Result<Vec<Orphan>, StoreError> {
        self.read(|db| attempts::orphans(db, subjects, limit, now()))
    }
}
