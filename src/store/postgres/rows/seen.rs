//! What is known about a digest or a tag just now: on that a verdict rests.

use tokio_postgres::Row;

use super::columns::{digest_or_null, get, key};
use crate::{
    referrers::ManifestKey,
    store::{
        AttemptId, Seen, StoreError, StoreTime, TagSeen,
        postgres::batch::{Value, now, values},
    },
};

/// A digest's version, and whether an attempt on it other than $4 is open: one on a tag changes the tag alone. The version
/// is the sum over its rows: each only grows.
pub(crate) const LOOK: &str = concat!(
    "SELECT (SELECT coalesce(sum(version), 0)::bigint FROM referrer
             WHERE upstream = $1 AND repository = $2 AND digest = $3),
            EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = $3 AND tag IS NULL
                    AND id IS DISTINCT FROM $4::bigint), ",
    now!()
);

pub(crate) fn look(of: &ManifestKey, but: Option<AttemptId>) -> Vec<Value<'_>> {
    let [upstream, repository, digest] = key(of);
    values![upstream, repository, digest, but.map(|id| id.0)]
}

pub(crate) fn seen(row: &Row) -> Result<Seen, StoreError> {
    Ok(Seen { version: get(row, 0)?, contended: get(row, 1)?, at: StoreTime(get(row, 2)?) })
}

/// The same of many digests of one repository, in their order.
pub(crate) const LOOK_AT_ALL: &str = concat!(
    "SELECT (SELECT coalesce(sum(version), 0)::bigint FROM referrer
             WHERE upstream = $1 AND repository = $2 AND digest = this.digest),
            EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = this.digest
                    AND tag IS NULL), ",
    now!(),
    " FROM unnest($3::text[]) WITH ORDINALITY AS this (digest, place) ORDER BY place"
);

/// Pushes of the same manifest under other tags say nothing against one under this: only deletes and the tag's own count.
pub(crate) const LOOK_AT_TAG: &str = concat!(
    "SELECT (SELECT coalesce(sum(version), 0)::bigint FROM referrer
             WHERE upstream = $1 AND repository = $2 AND digest = $3) + coalesce(known.version, 0),
            EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = $3
                    AND kind = 'delete' AND tag IS NULL AND id IS DISTINCT FROM $5::bigint)
            OR EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND tag = $4
                       AND id IS DISTINCT FROM $5::bigint), ",
    now!(),
    ", known.digest FROM (SELECT 1) AS one
     LEFT JOIN tag AS known ON upstream = $1 AND repository = $2 AND tag = $4"
);

pub(crate) fn look_at_tag<'v>(of: &'v ManifestKey, tag: &'v str, but: Option<AttemptId>) -> Vec<Value<'v>> {
    let [upstream, repository, digest] = key(of);
    values![upstream, repository, digest, tag, but.map(|id| id.0)]
}

pub(crate) fn tag_seen(row: &Row) -> Result<TagSeen, StoreError> {
    Ok(TagSeen { seen: seen(row)?, on: digest_or_null(row, 3)? })
}
