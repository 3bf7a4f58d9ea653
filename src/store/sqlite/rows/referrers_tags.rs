//! Referrers tags: what each is known to hold, and which process writes it.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::{
    columns::{digest, digest_or_null, key, sibling, time_or_null},
    forms, referrers,
};
use crate::{
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::{StoreTime, TagIndex, TagLook, TagOutcome, TagState, TagWrite, Until},
};

/// What [`state`] reads.
macro_rules! columns {
    () => {
        "version, tag_version, tag_digest, tag_marked, unsettled_until, checked_at, tag_writes"
    };
}
pub(super) use columns;

const STATE: &str =
    concat!("SELECT ", columns!(), " FROM subject WHERE upstream = ? AND repository = ? AND subject = ?");

pub(crate) fn state(row: &Row<'_>, at: StoreTime) -> Result<TagState> {
    Ok(TagState {
        version: row.get(0)?,
        tag_version: row.get(1)?,
        index: digest_or_null(row, 2)?,
        marked: row.get(3)?,
        unsettled_until: time_or_null(row, 4)?,
        checked_at: time_or_null(row, 5)?,
        writes: row.get(6)?,
        at,
    })
}

pub(crate) fn tag(db: &Connection, subject: &ManifestKey, at: StoreTime) -> Result<Option<TagState>> {
    db.prepare_cached(STATE)?.query_row(key(subject), |row| state(row, at)).optional()
}

pub(crate) fn tags(
    db: &Connection,
    beside: &ManifestKey,
    subjects: &[Digest],
    at: StoreTime,
) -> Result<Vec<Option<TagState>>> {
    let mut known = db.prepare_cached(STATE)?;
    let mut of = |subject: &Digest| known.query_row(sibling(beside, subject.as_str()), |row| state(row, at)).optional();
    subjects.iter().map(&mut of).collect()
}

pub(crate) fn has_marked(db: &Connection, upstream: &str, repository: &Repository) -> Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM subject INDEXED BY subject_marked
         WHERE upstream = ? AND repository = ? AND tag_marked = 1 LIMIT 1",
    )?
    .exists([upstream, repository.as_str()])
}

/// Nobody has the lease, or this process has it, or it is over.
const FREE: &str = "(lease_owner IS NULL OR lease_owner = :owner OR lease_until < :now)";

pub(crate) fn begin(
    db: &Connection,
    subject: &ManifestKey,
    owner: &str,
    (until, sends): (StoreTime, TagWrite),
    now: StoreTime,
) -> Result<Option<TagState>> {
    let [upstream, repository, digest] = key(subject);
    db.prepare_cached(
        "INSERT INTO subject (upstream, repository, subject) VALUES (?, ?, ?)
         ON CONFLICT (upstream, repository, subject) DO NOTHING",
    )?
    .execute([upstream, repository, digest])?;
    let before = tag(db, subject, now)?;
    let taken = db
        .prepare_cached(&format!(
            "UPDATE subject SET lease_owner = :owner, lease_until = :until, tag_writes = tag_writes + 1,
                                unsettled_until = max(coalesce(unsettled_until, 0), :until),
                                tag_version = iif(:may_lack AND version > 0, min(tag_version, version - 1), tag_version)
             WHERE upstream = :upstream AND repository = :repository AND subject = :subject AND {FREE}"
        ))?
        .execute(named_params! {
            ":upstream": upstream, ":repository": repository, ":subject": digest, ":owner": owner, ":until": until.0,
            ":now": now.0, ":may_lack": sends != TagWrite::All,
        })?;
    if taken > 0 && sends == TagWrite::Clients {
        referrers::doubt_deletes(db, subject)?;
    }
    Ok(before.filter(|_| taken > 0).map(|before| TagState { writes: before.writes + 1, ..before }))
}

/// Changes nothing where this process has no lease any more: another may have written the tag since.
pub(crate) fn end(
    db: &Connection,
    subject: &ManifestKey,
    outcome: &TagOutcome,
    owner: &str,
    now: StoreTime,
) -> Result<()> {
    let [upstream, repository, digest] = key(subject);
    if let Some(holds) = &outcome.holds {
        let index = recordable(db, subject, holds.index.as_ref())?;
        db.prepare_cached(
            "UPDATE subject SET tag_version = ?5, tag_digest = ?6, tag_marked = ?7, checked_at = ?8
             WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND lease_owner = ?4",
        )?
        .execute(params![upstream, repository, digest, owner, holds.version, index, holds.marked, now.0])?;
    }
    if let Some(before) = &outcome.undo {
        db.prepare_cached(
            "UPDATE subject SET tag_version = max(tag_version, ?5)
             WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND lease_owner = ?4
             AND tag_digest IS ?6 AND tag_writes = ?7",
        )?
        .execute(params![
            upstream,
            repository,
            digest,
            owner,
            before.tag_version,
            before.index.as_ref().map(Digest::as_str),
            before.writes
        ])?;
    }
    let unsettled = outcome.unsettled.map(|until| match until {
        Until::At(moment) => moment.0,
        Until::In(time) => now.after(time).0,
    });
    db.prepare_cached(
        "UPDATE subject SET unsettled_until = ?5, lease_owner = iif(?6, NULL, lease_owner), tag_writes = tag_writes + 1
         WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND lease_owner = ?4",
    )?
    .execute(params![upstream, repository, digest, owner, unsettled, outcome.release])?;
    // Whatever tag somebody names, and is refused, leaves nothing behind.
    db.prepare_cached(
        "DELETE FROM subject WHERE upstream = ? AND repository = ? AND subject = ?
         AND version = 0 AND tag_digest IS NULL AND unsettled_until IS NULL AND lease_owner IS NULL",
    )?
    .execute(key(subject))
    .map(drop)
}

/// `false`: somebody else has begun to write the tag, or ended, since that many writes.
pub(crate) fn see(
    db: &Connection,
    subject: &ManifestKey,
    look: &TagLook,
    writes: i64,
    owner: &str,
    now: StoreTime,
) -> Result<bool> {
    let [upstream, repository, digest] = key(subject);
    let index = recordable(db, subject, look.index.as_ref())?;
    let seen = db
        .prepare_cached(&format!(
            "UPDATE subject SET tag_digest = :index, tag_marked = :marked, checked_at = :now,
                                tag_version = CASE WHEN :all_of IS NULL THEN min(tag_version, max(version - 1, 0))
                                                   WHEN version = :all_of THEN max(tag_version, version)
                                                   ELSE tag_version END
             WHERE upstream = :upstream AND repository = :repository AND subject = :subject AND {FREE}
             AND tag_writes = :writes"
        ))?
        .execute(named_params! {
            ":upstream": upstream, ":repository": repository, ":subject": digest, ":owner": owner, ":now": now.0,
            ":index": index, ":marked": look.marked, ":all_of": look.all_of, ":writes": writes,
        })?;
    Ok(seen > 0)
}

/// The index, unless an entry may be listed no more. Rows of a subject's other form are counted by a version of their own:
/// then no change at all may have come.
fn recordable<'a>(db: &Connection, subject: &ManifestKey, index: Option<&'a TagIndex>) -> Result<Option<&'a str>> {
    let Some(index) = index else { return Ok(None) };
    let [upstream, repository, digest] = key(subject);
    let version: Option<i64> = db
        .prepare_cached("SELECT version FROM subject WHERE upstream = ? AND repository = ? AND subject = ?")?
        .query_row(key(subject), |row| row.get(0))
        .optional()?;
    let as_listed = version == Some(index.since)
        || (forms::other(db, subject, digest)?.is_none()
            && !db
                .prepare_cached(
                    "SELECT 1 FROM referrer WHERE upstream = ? AND repository = ? AND subject = ?
                     AND state <> 'listed' AND version > ? LIMIT 1",
                )?
                .exists(params![upstream, repository, digest, index.since])?);
    Ok(as_listed.then(|| index.digest.as_str()))
}

pub(crate) fn forget(db: &Connection, subject: &ManifestKey) -> Result<()> {
    db.prepare_cached("UPDATE subject SET tag_digest = NULL WHERE upstream = ? AND repository = ? AND subject = ?")?
        .execute(key(subject))
        .map(drop)
}

pub(crate) fn mark_stale(db: &Connection, subject: &ManifestKey) -> Result<()> {
    db.prepare_cached(
        "UPDATE subject SET tag_version = iif(version > 0, min(tag_version, version - 1), tag_version), tag_digest = NULL,
                            tag_writes = tag_writes + 1
         WHERE upstream = ? AND repository = ? AND subject = ?",
    )?
    .execute(key(subject))
    .map(drop)
}

pub(crate) fn need_none(db: &Connection, subject: &ManifestKey, version: i64) -> Result<()> {
    let [upstream, repository, digest] = key(subject);
    db.prepare_cached(
        "UPDATE subject SET tag_version = max(tag_version, min(?4, version)), tag_digest = NULL
         WHERE upstream = ?1 AND repository = ?2 AND subject = ?3",
    )?
    .execute(params![upstream, repository, digest, version])
    .map(drop)
}

/// What is known to be in a tag stays: it is compared at the next write.
pub(crate) fn need_all(db: &Connection, upstream: &str, repository: &Repository) -> Result<()> {
    db.prepare_cached(
        "UPDATE subject SET tag_version = version - 1
         WHERE upstream = ? AND repository = ? AND version > 0 AND tag_version >= version AND tag_digest IS NULL",
    )?
    .execute([upstream, repository.as_str()])
    .map(drop)
}

/// At the start of the only `serve`: what earlier ones were writing, they write no more.
pub(crate) fn free_leases(db: &Connection) -> Result<()> {
    db.execute("UPDATE subject SET lease_owner = NULL WHERE lease_owner LIKE 'serve-%'", []).map(drop)
}

pub(crate) fn subject_of_index(db: &Connection, index: &ManifestKey) -> Result<Option<Digest>> {
    db.prepare_cached("SELECT subject FROM subject WHERE upstream = ? AND repository = ? AND tag_digest = ? LIMIT 1")?
        .query_row(key(index), |row| digest(row, 0))
        .optional()
}
