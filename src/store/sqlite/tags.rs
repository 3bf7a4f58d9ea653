//! Referrers tags: what each is known to hold, whose turn it is to write it, what it should hold.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::reads::digest;
use crate::{
    oci::{Digest, Listed},
    referrers::ManifestKey,
    store::{Holds, Owed, TagEnd, TagState},
};

const STATE: &str = "version, tag_version, tag_digest, tag_marked, unsettled_until, checked_at";

fn state(row: &Row<'_>) -> Result<TagState> {
    Ok(TagState {
        version: row.get(0)?,
        tag_version: row.get(1)?,
        tag: row.get_ref(2)?.as_str_or_null()?.map(|text| digest(text, 2)).transpose()?,
        marked: row.get(3)?,
        unsettled_until: row.get(4)?,
        checked_at: row.get(5)?,
    })
}

pub(super) fn tag(db: &Connection, subject: &ManifestKey) -> Result<Option<TagState>> {
    db.prepare_cached(&format!("SELECT {STATE} FROM subject WHERE upstream = ? AND repository = ? AND subject = ?"))?
        .query_row(key(subject), state)
        .optional()
}

/// Whose turn it is: nobody's, this process's, or over since long.
const FREE: &str = "(lease_owner IS NULL OR lease_owner = :owner OR lease_until < :now)";

pub(super) fn begin(
    db: &Connection,
    subject: &ManifestKey,
    owner: &str,
    (until, may_lack): (i64, bool),
    now: i64,
) -> Result<Option<TagState>> {
    let of = key(subject);
    db.prepare_cached(
        "INSERT INTO subject (upstream, repository, subject) VALUES (?, ?, ?)
         ON CONFLICT (upstream, repository, subject) DO NOTHING",
    )?
    .execute(of)?;
    let before = tag(db, subject)?;
    let taken = db
        .prepare_cached(&format!(
            "UPDATE subject SET lease_owner = :owner, lease_until = :until,
                                unsettled_until = max(coalesce(unsettled_until, 0), :until),
                                tag_version = iif(:may_lack AND version > 0, min(tag_version, version - 1), tag_version)
             WHERE upstream = :upstream AND repository = :repository AND subject = :subject AND {FREE}"
        ))?
        .execute(named_params! {
            ":upstream": of[0], ":repository": of[1], ":subject": of[2], ":owner": owner, ":until": until, ":now": now,
            ":may_lack": may_lack,
        })?;
    Ok(before.filter(|_| taken > 0))
}

pub(super) fn end(db: &Connection, subject: &ManifestKey, end: &TagEnd, owner: &str, now: i64) -> Result<()> {
    if let Some(holds) = &end.holds {
        see(db, subject, holds, owner, now)?;
    }
    let of = key(subject);
    db.prepare_cached(
        "UPDATE subject SET unsettled_until = ?4, lease_owner = iif(?5, NULL, lease_owner)
         WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND lease_owner = ?6",
    )?
    .execute(params![of[0], of[1], of[2], end.unsettled_until, end.over, owner])?;
    // Whatever tag somebody names, and is refused, leaves nothing behind.
    db.prepare_cached(
        "DELETE FROM subject WHERE upstream = ? AND repository = ? AND subject = ?
         AND version = 0 AND tag_digest IS NULL AND unsettled_until IS NULL AND lease_owner IS NULL",
    )?
    .execute(of)
    .map(drop)
}

pub(super) fn see(db: &Connection, subject: &ManifestKey, holds: &Holds, owner: &str, now: i64) -> Result<()> {
    let of = key(subject);
    db.prepare_cached(&format!(
        "UPDATE subject SET tag_version = :version, tag_digest = :tag, tag_marked = :marked, checked_at = :now
         WHERE upstream = :upstream AND repository = :repository AND subject = :subject AND {FREE}"
    ))?
    .execute(named_params! {
        ":upstream": of[0], ":repository": of[1], ":subject": of[2], ":owner": owner, ":now": now,
        ":version": holds.version, ":tag": holds.tag.as_ref().map(Digest::as_str), ":marked": holds.marked,
    })
    .map(drop)
}

pub(super) fn forget(db: &Connection, subject: &ManifestKey) -> Result<()> {
    db.prepare_cached("UPDATE subject SET tag_digest = NULL WHERE upstream = ? AND repository = ? AND subject = ?")?
        .execute(key(subject))
        .map(drop)
}

fn key(subject: &ManifestKey) -> [&str; 3] {
    [&subject.upstream, subject.repository.as_str(), subject.digest.as_str()]
}

/// At the start of the only `serve`: what earlier ones were writing, they write no more.
pub(super) fn free(db: &Connection) -> Result<()> {
    db.execute("UPDATE subject SET lease_owner = NULL WHERE lease_owner LIKE 'serve-%'", []).map(drop)
}

pub(super) fn tagged(db: &Connection, index: &ManifestKey) -> Result<Option<Digest>> {
    db.prepare_cached("SELECT subject FROM subject WHERE upstream = ? AND repository = ? AND tag_digest = ? LIMIT 1")?
        .query_row(key(index), |row| digest(row.get_ref(0)?.as_str()?, 0))
        .optional()
}

pub(super) fn entries(
    db: &Connection,
    subject: &ManifestKey,
    alias: Option<&Digest>,
    without_subject: bool,
    max_bytes: usize,
) -> Result<Option<Vec<Listed>>> {
    let mut found = db.prepare_cached(
        "SELECT digest, descriptor FROM referrer
         WHERE upstream = ?1 AND repository = ?2 AND subject IN (?3, ?4) AND state = 'listed'
         AND (?5 OR via = 'subject') ORDER BY arrival, digest",
    )?;
    let other = alias.unwrap_or(&subject.digest).as_str();
    let of = params![subject.upstream, subject.repository.as_str(), subject.digest.as_str(), other, without_subject];
    let mut rows = found.query(of)?;
    let (mut entries, mut seen, mut bytes) = (Vec::new(), HashSet::new(), 0);
    while let Some(row) = rows.next()? {
        let entry = Listed { digest: digest(row.get_ref(0)?.as_str()?, 0)?, descriptor: row.get(1)? };
        bytes += entry.descriptor.len();
        if bytes > max_bytes {
            return Ok(None);
        }
        // On record under both forms of the subject, it is one.
        if alias.is_none() || seen.insert(entry.digest.clone()) {
            entries.push(entry);
        }
    }
    Ok(Some(entries))
}

pub(super) fn subjects(db: &Connection, referrer: &ManifestKey) -> Result<Vec<Digest>> {
    db.prepare_cached(
        "SELECT subject FROM referrer INDEXED BY referrer_by_digest WHERE upstream = ? AND repository = ? AND digest = ?
         AND state <> 'deleted'",
    )?
    .query_map(key(referrer), |row| digest(row.get_ref(0)?.as_str()?, 0))?
    .collect()
}

pub(super) fn is_listed(db: &Connection, subject: &ManifestKey, referrer: &Digest) -> Result<bool> {
    let [upstream, repository, subject] = key(subject);
    db.prepare_cached(
        "SELECT 1 FROM referrer WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ? AND state = 'listed'",
    )?
    .exists([upstream, repository, referrer.as_str(), subject])
}

pub(super) fn owed(db: &Connection, upstream: &str) -> Result<Owed> {
    let count = |sql: &str| db.prepare_cached(sql)?.query_row([upstream], |row| row.get(0));
    Ok(Owed {
        tags: count(
            "SELECT count(*) FROM subject INDEXED BY subject_owed WHERE upstream = ? AND version > tag_version",
        )?,
        attempts: count("SELECT count(*) FROM attempt WHERE upstream = ?")?,
    })
}
