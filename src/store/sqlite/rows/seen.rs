//! What is known about a digest or a tag just now: on that a verdict rests.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::columns::{digest_or_null, key};
use crate::{
    referrers::ManifestKey,
    store::{AttemptId, Seen, StoreTime, TagSeen},
};

/// A digest's version, and whether an attempt on it other than `but` is open: one on a tag changes the tag alone. The
/// version is the sum over its rows: each only grows.
pub(crate) fn look(db: &Connection, of: &ManifestKey, but: Option<AttemptId>, at: StoreTime) -> Result<Seen> {
    let [upstream, repository, digest] = key(of);
    db.prepare_cached(
        "SELECT (SELECT coalesce(sum(version), 0) FROM referrer INDEXED BY referrer_by_digest
                 WHERE upstream = ?1 AND repository = ?2 AND digest = ?3),
                EXISTS (SELECT 1 FROM attempt
                        WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND tag IS NULL AND id IS NOT ?4)",
    )?
    .query_row(params![upstream, repository, digest, but.map(|id| id.0)], |row| {
        Ok(Seen { version: row.get(0)?, contended: row.get(1)?, at })
    })
}

/// Pushes of the same manifest under other tags say nothing against one under this: only deletes and the tag's own count.
pub(crate) fn look_at_tag(
    db: &Connection,
    of: &ManifestKey,
    tag: &str,
    but: Option<AttemptId>,
    at: StoreTime,
) -> Result<TagSeen> {
    let [upstream, repository, digest] = key(of);
    let version = look(db, of, but, at)?.version;
    let contended = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM attempt WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
                            AND kind = 'delete' AND tag IS NULL AND id IS NOT ?5)
                 OR EXISTS (SELECT 1 FROM attempt WHERE upstream = ?1 AND repository = ?2 AND tag = ?4 AND id IS NOT ?5)",
        )?
        .query_row(params![upstream, repository, digest, tag, but.map(|id| id.0)], |row| row.get(0))?;
    let known = db
        .prepare_cached("SELECT digest, version FROM tag WHERE upstream = ? AND repository = ? AND tag = ?")?
        .query_row([upstream, repository, tag], |row| Ok((digest_or_null(row, 0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let (on, of_tag) = known.unwrap_or_default();
    Ok(TagSeen { seen: Seen { version: version + of_tag, contended, at }, on })
}
