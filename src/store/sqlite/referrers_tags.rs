//! [`ReferrersTags`] on SQLite.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    clock::now,
    database::SqliteStore,
    rows::{list, referrers_tags},
    writer::Durability,
};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::ManifestKey,
    store::{ReferrersTags, StoreError, TagLook, TagOutcome, TagState, TagWrite},
};

#[async_trait]
impl ReferrersTags for SqliteStore {
    async fn tag(&self, subject: &ManifestKey) -> Result<Option<TagState>, StoreError> {
        self.read(|db| referrers_tags::tag(db, subject, now()))
    }

    async fn tags(&self, beside: &ManifestKey, subjects: &[Digest]) -> Result<Vec<Option<TagState>>, StoreError> {
        self.read(|db| referrers_tags::tags(db, beside, subjects, now()))
    }

    async fn has_marked_tags(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        self.read(|db| referrers_tags::has_marked(db, upstream, repository))
    }

    async fn begin_tag(
        &self,
        subject: &ManifestKey,
        lease: Duration,
        sends: TagWrite,
    ) -> Result<Option<TagState>, StoreError> {
        let (subject, owner) = (subject.clone(), self.owner());
        self.write(Durability::Disk, move |db, now| {
            referrers_tags::begin(db, &subject, &owner, (now.after(lease), sends), now)
        })
        .await
    }

    async fn end_tag(&self, subject: &ManifestKey, outcome: TagOutcome) -> Result<(), StoreError> {
        let (subject, owner) = (subject.clone(), self.owner());
        self.write(Durability::Disk, move |db, now| referrers_tags::end(db, &subject, &outcome, &owner, now)).await
    }

    async fn see_tag(&self, subject: &ManifestKey, look: TagLook, writes: i64) -> Result<bool, StoreError> {
        let (subject, owner) = (subject.clone(), self.owner());
        self.write(Durability::Disk, move |db, now| referrers_tags::see(db, &subject, &look, writes, &owner, now)).await
    }

    async fn forget_tag(&self, subject: &ManifestKey) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.write(Durability::Disk, move |db, _| referrers_tags::forget(db, &subject)).await
    }

    async fn mark_stale(&self, subject: &ManifestKey) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.write(Durability::Disk, move |db, _| referrers_tags::mark_stale(db, &subject)).await
    }

    async fn need_no_tag(&self, subject: &ManifestKey, version: i64) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.write(Durability::Process, move |db, _| referrers_tags::need_none(db, &subject, version)).await
    }

    async fn need_tags(&self, upstream: &str, repository: &Repository) -> Result<(), StoreError> {
        let (upstream, repository) = (upstream.to_owned(), repository.clone());
        self.write(Durability::Disk, move |db, _| referrers_tags::need_all(db, &upstream, &repository)).await
    }

    async fn entries(
        &self,
        subject: &ManifestKey,
        other_form: Option<&Digest>,
        without_subject: bool,
        max_bytes: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        self.read(|db| list::entries(db, subject, other_form, without_subject, max_bytes))
    }

    async fn subject_of_index(&self, index: &ManifestKey) -> Result<Option<Digest>, StoreError> {
        self.read(|db| referrers_tags::subject_of_index(db, index))
    }
}
