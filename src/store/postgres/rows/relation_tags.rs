//! Tags that say who refers to whom, and on which referrer each is.

use super::columns::key;
use crate::{
    oci::Digest,
    referrers::{ManifestKey, RelationTag},
    store::{
        StoreTime,
        postgres::batch::{Batch, Value, values},
    },
};

const PUT: &str = "
    INSERT INTO tag AS this (upstream, repository, tag, subject, digest, changed_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, 1)
    ON CONFLICT (upstream, repository, tag) DO UPDATE SET
        digest = excluded.digest, changed_at = excluded.changed_at, version = this.version + 1";

/// Whether a referrer is known by tags alone, and none that names that subject is on it any more.
pub(crate) const LEFT: &str = "
    SELECT 1 FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $3 AND subject = $4
    AND via = 'tag' AND state <> 'deleted'
    AND NOT EXISTS (SELECT 1 FROM tag WHERE upstream = $1 AND repository = $2 AND digest = $3 AND subject = $4)";

const TAKE_OFF: &str = "
    UPDATE tag SET digest = NULL, changed_at = $4, version = version + 1
    WHERE upstream = $1 AND repository = $2 AND digest = $3";

/// The tag is on that manifest from now on, or on none.
pub(crate) fn put<'v>(
    batch: &mut Batch<'v>,
    beside: &'v ManifestKey,
    tag: &'v RelationTag,
    on: Option<&'v Digest>,
    now: StoreTime,
) {
    let (upstream, repository) = (&*beside.upstream, beside.repository.as_str());
    let on = on.map(Digest::as_str);
    batch.add(PUT, values![upstream, repository, &*tag.tag, tag.subject.as_str(), on, now.0]);
}

pub(crate) fn left<'v>(referrer: &'v ManifestKey, subject: &'v Digest) -> Vec<Value<'v>> {
    let [upstream, repository, digest] = key(referrer);
    values![upstream, repository, digest, subject.as_str()]
}

/// A manifest was deleted, and its tags with it.
pub(crate) fn take_off<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, now: StoreTime) {
    let [upstream, repository, digest] = key(of);
    batch.add(TAKE_OFF, values![upstream, repository, digest, now.0]);
}
