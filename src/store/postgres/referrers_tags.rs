//! [`ReferrersTags`] on PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    batch::{Batch, Value, values},
    change::Change,
    database::PostgresStore,
    errors::Fault,
    rounds::retried,
    rows::{
        attempts::{forget_repository, micros},
        columns::{digest, get, key, only},
        referrers, referrers_tags,
    },
};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::{ManifestKey, Query},
    store::{
        ReferrersTags, StoreError, TagIndex, TagLook, TagOutcome, TagState, TagWrite, Until, referrers_tags::Entries,
    },
};

#[async_trait]
impl ReferrersTags for PostgresStore {
    async fn tag(&self, subject: &ManifestKey) -> Result<Option<TagState>, StoreError> {
        let [upstream, repository, digest] = key(subject);
        let rows = self.read(referrers_tags::TAG, values![upstream, repository, digest]).await?;
        rows.first().map_or(Ok(None), referrers_tags::state)
    }

    async fn tags(&self, beside: &ManifestKey, subjects: &[Digest]) -> Result<Vec<Option<TagState>>, StoreError> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let [upstream, repository, _] = key(beside);
        let forms: Value<'_> = subjects.iter().collect();
        let rows = self.read(referrers_tags::TAGS, values![upstream, repository, forms]).await?;
        rows.iter().map(referrers_tags::state).collect()
    }

    async fn has_marked_tags(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        let rows = self.read(referrers_tags::HAS_MARKED, values![upstream, repository.as_str()]).await?;
        get(only(&rows)?, 0)
    }

    async fn begin_tag(
        &self,
        subject: &ManifestKey,
        lease: Duration,
        sends: TagWrite,
    ) -> Result<Option<TagState>, StoreError> {
        let take = referrers_tags::begin(subject, self.owner(), micros(lease), sends != TagWrite::All);
        if sends == TagWrite::Clients {
            return retried!(self.begin_clients_tag(subject, &take));
        }
        referrers_tags::begun(&self.change(&subject.upstream, &subject.repository, &take).await?)
    }

    async fn end_tag(&self, subject: &ManifestKey, outcome: TagOutcome) -> Result<(), StoreError> {
        let outcome = &outcome;
        retried!(self.end_tag_once(subject, outcome))
    }

    async fn see_tag(&self, subject: &ManifestKey, look: TagLook, writes: i64) -> Result<bool, StoreError> {
        let look = &look;
        retried!(self.see_tag_once(subject, look, writes))
    }

    async fn forget_tag(&self, subject: &ManifestKey) -> Result<(), StoreError> {
        self.change_subject(subject, referrers_tags::FORGET).await
    }

    async fn mark_stale(&self, subject: &ManifestKey) -> Result<(), StoreError> {
        self.change_subject(subject, referrers_tags::MARK_STALE).await
    }

    async fn need_no_tag(&self, subject: &ManifestKey, version: i64) -> Result<(), StoreError> {
        let [upstream, repository, digest] = key(subject);
        let need = Batch::of(referrers_tags::NEED_NONE, values![upstream, repository, digest, version]);
        self.change(upstream, &subject.repository, &need).await.map(drop)
    }

    async fn need_tags(&self, upstream: &str, repository: &Repository) -> Result<(), StoreError> {
        let need = Batch::of(referrers_tags::NEED_ALL, values![upstream, repository.as_str()]);
        self.change(upstream, repository, &need).await.map(drop)
    }

    async fn entries(
        &self,
        subject: &ManifestKey,
        other_form: Option<&Digest>,
        without_subject: bool,
        max_bytes: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        let query = Query::of_tag(&subject.digest, other_form, without_subject);
        let mut entries = Entries::of_at_most(max_bytes);
        self.read_list((&subject.upstream, &subject.repository), &query, |row| {
            Ok(entries.take(Listed { digest: digest(row, 2)?, descriptor: get(row, 3)? }))
        })
        .await?;
        Ok(entries.all())
    }

    async fn subject_of_index(&self, index: &ManifestKey) -> Result<Option<Digest>, StoreError> {
        let [upstream, repository, of] = key(index);
        let rows = self.read(referrers_tags::SUBJECT_OF_INDEX, values![upstream, repository, of]).await?;
        rows.first().map(|row| digest(row, 0)).transpose()
    }
}

impl PostgresStore {
    async fn change_subject(&self, subject: &ManifestKey, sql: &'static str) -> Result<(), StoreError> {
        let [upstream, repository, digest] = key(subject);
        let change = Batch::of(sql, values![upstream, repository, digest]);
        self.change(upstream, &subject.repository, &change).await.map(drop)
    }

    /// Takes the lease for a client's own list, before which open deletes are doubted.
    async fn begin_clients_tag(&self, subject: &ManifestKey, take: &Batch<'_>) -> Result<Option<TagState>, Fault> {
        let (change, found) = self.begin_change(&subject.upstream, &subject.repository, take).await?;
        let begun = referrers_tags::begun(&found)?;
        let mut last = Batch::default();
        if begun.is_some() {
            let [upstream, repository, digest] = key(subject);
            last.add(referrers::DOUBT_DELETES, values![upstream, repository, digest]);
        }
        change.commit(&last).await?;
        Ok(begun)
    }

    async fn end_tag_once(&self, subject: &ManifestKey, outcome: &TagOutcome) -> Result<(), Fault> {
        let index = outcome.holds.as_ref().and_then(|holds| holds.index.as_ref());
        let (change, recordable) = self.begin_recording(subject, index).await?;
        let (owner, mut last) = (self.owner(), Batch::default());
        if let Some(holds) = &outcome.holds {
            referrers_tags::holds(&mut last, subject, owner, holds, recordable, change.now);
        }
        if let Some(before) = &outcome.undo {
            referrers_tags::undo(&mut last, subject, owner, before);
        }
        let unsettled = outcome.unsettled.map(|until| match until {
            Until::At(moment) => moment,
            Until::In(time) => change.now.after(time),
        });
        referrers_tags::end(&mut last, subject, owner, unsettled, outcome.release);
        forget_repository(&mut last, subject);
        change.commit(&last).await
    }

    async fn see_tag_once(&self, subject: &ManifestKey, look: &TagLook, writes: i64) -> Result<bool, Fault> {
        let (change, recordable) = self.begin_recording(subject, look.index.as_ref()).await?;
        let values = referrers_tags::see(subject, self.owner(), look, recordable, writes);
        let seen = change.run(&Batch::of(referrers_tags::SEE, values)).await?;
        change.commit(&Batch::default()).await?;
        Ok(!seen[0].is_empty())
    }

    /// Begins a change, and says whether the index may be recorded.
    async fn begin_recording(&self, subject: &ManifestKey, index: Option<&TagIndex>) -> Result<(Change, bool), Fault> {
        let [upstream, repository, digest] = key(subject);
        let mut first = Batch::default();
        if let Some(index) = index {
            first.add(referrers_tags::RECORDABLE, values![upstream, repository, digest, index.since]);
        }
        let (change, found) = self.begin_change(&subject.upstream, &subject.repository, &first).await?;
        let recordable = found.first().map_or(Ok(false), |rows| get(only(rows)?, 0))?;
        Ok((change, recordable))
    }
}
