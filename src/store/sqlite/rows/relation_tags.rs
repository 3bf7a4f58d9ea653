//! Tags that say who refers to whom, and on which referrer each is.

use rusqlite::{Connection, Result, params};

use super::{columns::key, expiry};
use crate::{
    oci::Digest,
    referrers::{ManifestKey, RelationTag},
    store::StoreTime,
};

/// The tag is on that manifest from now on, or on none.
pub(crate) fn put(
    db: &Connection,
    beside: &ManifestKey,
    tag: &RelationTag,
    on: Option<&Digest>,
    now: StoreTime,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO tag (upstream, repository, tag, subject, digest, changed_at, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)
         ON CONFLICT (upstream, repository, tag) DO UPDATE SET digest = ?5, changed_at = ?6, version = version + 1",
    )?
    .execute(params![
        beside.upstream,
        beside.repository.as_str(),
        tag.tag,
        tag.subject.as_str(),
        on.map(Digest::as_str),
        now.0
    ])?;
    expiry::drop_off(db, now)
}

/// Whether a referrer is known by tags alone, and none that names that subject is on it any more.
pub(crate) fn left(db: &Connection, referrer: &ManifestKey, subject: &Digest) -> Result<bool> {
    let [upstream, repository, digest] = key(referrer);
    db.prepare_cached(
        "SELECT 1 FROM referrer WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject = ?4
         AND via = 'tag' AND state <> 'deleted'
         AND NOT EXISTS (SELECT 1 FROM tag WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject = ?4)",
    )?
    .exists([upstream, repository, digest, subject.as_str()])
}

/// A manifest was deleted, and its tags with it.
pub(crate) fn take_off(db: &Connection, of: &ManifestKey, now: StoreTime) -> Result<()> {
    let [upstream, repository, digest] = key(of);
    db.prepare_cached(
        "UPDATE tag SET digest = NULL, changed_at = ?, version = version + 1
         WHERE upstream = ? AND repository = ? AND digest = ?",
    )?
    .execute(params![now.0, upstream, repository, digest])
    .map(drop)
}
