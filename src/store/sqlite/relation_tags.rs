//! [`RelationTags`] on SQLite.

use async_trait::async_trait;

use super::{
    clock::now,
    database::SqliteStore,
    rows::{seen, verdicts},
    writer::Durability,
};
use crate::{
    referrers::{ManifestKey, RelationTag},
    store::{Applied, Basis, Close, RelationTags, StoreError, TagSeen, TagVerdict},
};

#[async_trait]
impl RelationTags for SqliteStore {
    async fn look_at_tag(&self, key: &ManifestKey, tag: &str) -> Result<TagSeen, StoreError> {
        self.read(|db| seen::look_at_tag(db, key, tag, None, now()))
    }

    async fn apply_tag(
        &self,
        key: &ManifestKey,
        tag: &RelationTag,
        verdict: TagVerdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError> {
        if verdict.has_two_forms() {
            self.note_alias();
        }
        let (key, tag) = (key.clone(), tag.clone());
        self.write(Durability::Disk, move |db, now| verdicts::apply_tag(db, &key, &tag, &verdict, (basis, close), now))
            .await
    }
}
