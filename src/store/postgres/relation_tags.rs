//! [`RelationTags`] on PostgreSQL.

use async_trait::async_trait;

use super::{
    batch::Batch,
    database::PostgresStore,
    errors::Fault,
    rounds::retried,
    rows::{attempts, columns::only, referrers, relation_tags, seen, verdicts},
};
use crate::{
    referrers::{ManifestKey, RelationTag},
    store::{Applied, Basis, Close, RelationTags, StoreError, TagSeen, TagVerdict},
};

#[async_trait]
impl RelationTags for PostgresStore {
    async fn look_at_tag(&self, key: &ManifestKey, tag: &str) -> Result<TagSeen, StoreError> {
        let rows = self.read(seen::LOOK_AT_TAG, seen::look_at_tag(key, tag, None)).await?;
        seen::tag_seen(only(&rows)?)
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
            self.aliased.note();
        }
        let verdict = &verdict;
        retried!(self.apply_tag_once(key, tag, verdict, (basis, close)))
    }
}

impl PostgresStore {
    async fn apply_tag_once(
        &self,
        of: &ManifestKey,
        tag: &RelationTag,
        verdict: &TagVerdict,
        (basis, close): (Basis, Close),
    ) -> Result<Applied, Fault> {
        let first = Batch::of(seen::LOOK_AT_TAG, seen::look_at_tag(of, &tag.tag, close.asked()));
        let (change, found) = self.begin_change(&of.upstream, &of.repository, &first).await?;
        let known = seen::tag_seen(only(&found[0])?)?;
        if basis.is_outdated(known.seen) {
            change.commit(&Batch::default()).await?;
            return Ok(Applied::Outdated(known.seen));
        }
        let relation = verdict.relation();
        let on = relation.map(|relation| &relation.referrer.digest);
        let mut last = Batch::default();
        relation_tags::put(&mut last, of, tag, on, change.now);
        if let Some(relation) = relation {
            verdicts::hold_or_renew(&change, &mut last, relation, close).await?;
        }
        let before = known.on.filter(|before| Some(before) != on).map(|before| of.sibling(before));
        if let Some(before) = &before {
            last.add(relation_tags::LEFT, relation_tags::left(before, &tag.subject));
            let left = change.run(&last).await?;
            last = Batch::default();
            if left.last().is_some_and(|rows| !rows.is_empty()) {
                referrers::delete_one(&mut last, before, tag.subject.as_str(), change.now);
            }
        }
        match close {
            Close::Past(moment) => attempts::forget_past_of_tag(&mut last, of, &tag.tag, moment),
            close => verdicts::close(&mut last, of, close),
        }
        change.commit(&last).await?;
        Ok(Applied::Done)
    }
}
