//! [`Attempts`] on PostgreSQL.

use async_trait::async_trait;

use super::{
    batch::{Batch, Value, values},
    database::PostgresStore,
    rows::{
        attempts,
        columns::{limit, only},
        seen,
    },
};
use crate::{
    referrers::ManifestKey,
    store::{Attempt, AttemptId, Attempts, Orphan, Seen, StoreError},
};

#[async_trait]
impl Attempts for PostgresStore {
    async fn begin(&self, attempt: &Attempt) -> Result<Seen, StoreError> {
        let owner = self.owner();
        let key = &attempt.key;
        let mut batch = match &attempt.tag {
            Some(tag) => Batch::of(seen::LOOK_AT_TAG, seen::look_at_tag(key, tag, Some(attempt.id))),
            None => Batch::of(seen::LOOK, seen::look(key, Some(attempt.id))),
        };
        attempts::note(&mut batch, attempt, owner);
        let rows = self.change(&key.upstream, &key.repository, &batch).await?;
        seen::seen(only(&rows[0])?)
    }

    async fn drop_attempt(&self, key: &ManifestKey, id: AttemptId) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        attempts::forget(&mut batch, key, id);
        attempts::forget_repository(&mut batch, key);
        self.change(&key.upstream, &key.repository, &batch).await.map(drop)
    }

    async fn release(&self, key: &ManifestKey, id: AttemptId) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        attempts::release(&mut batch, key, id);
        self.change(&key.upstream, &key.repository, &batch).await.map(drop)
    }

    async fn orphans(&self, subjects: &[ManifestKey], most: usize) -> Result<Vec<Orphan>, StoreError> {
        let Some(beside) = subjects.first() else { return Ok(Vec::new()) };
        let among: Value<'_> = subjects.iter().map(|subject| &subject.digest).collect();
        let values = values![&*beside.upstream, beside.repository.as_str(), among, limit(most)];
        self.read(attempts::ORPHANS, values).await?.iter().map(attempts::orphan).collect()
    }
}
