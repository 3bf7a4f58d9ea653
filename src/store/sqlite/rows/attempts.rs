//! Pushes and deletes on their way. Each has a row for each subject of its manifest: so each subject finds it.

use rusqlite::{Connection, Result, params};

use super::{
    columns::{digest, key, limit},
    expiry, seen,
};
use crate::{
    referrers::ManifestKey,
    store::{Attempt, AttemptId, AttemptKind, Orphan, Seen, StoreTime},
};

pub(crate) fn begin(db: &Connection, attempt: &Attempt, owner: &str, now: StoreTime) -> Result<Seen> {
    let seen = match &attempt.tag {
        Some(tag) => seen::look_at_tag(db, &attempt.key, tag, Some(attempt.id), now)?.seen,
        None => seen::look(db, &attempt.key, Some(attempt.id), now)?,
    };
    let subjects = match &attempt.subject {
        Some(subject) => vec![subject.as_str().to_owned()],
        None => subjects(db, &attempt.key)?,
    };
    for subject in &subjects {
        note(db, attempt, subject, owner, now)?;
    }
    match &attempt.subject {
        Some(subject) => find_deletes_by(db, &attempt.key, subject.as_str())?,
        None => expiry::drop_deletes(db, now)?,
    }
    Ok(seen)
}

/// The subjects that a manifest has, or will have if a push on its way comes through; without any: '', for none.
fn subjects(db: &Connection, of: &ManifestKey) -> Result<Vec<String>> {
    let mut found = db
        .prepare_cached(
            "SELECT subject FROM referrer INDEXED BY referrer_by_digest
             WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject <> ''
             UNION
             SELECT subject FROM attempt INDEXED BY attempt_by_digest
             WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject <> ''",
        )?
        .query_map(key(of), |row| row.get(0))?
        .collect::<Result<Vec<_>>>()?;
    if found.is_empty() {
        found.push(String::new());
    }
    Ok(found)
}

fn note(db: &Connection, attempt: &Attempt, subject: &str, owner: &str, now: StoreTime) -> Result<()> {
    let [upstream, repository, digest] = key(&attempt.key);
    db.prepare_cached(
        "INSERT INTO attempt (id, subject, kind, upstream, repository, digest, tag, owner, deadline)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        attempt.id.0,
        subject,
        match attempt.kind {
            AttemptKind::Push => "push",
            AttemptKind::Delete => "delete",
        },
        upstream,
        repository,
        digest,
        attempt.tag,
        owner,
        now.after(attempt.lasts).0,
    ])
    .map(drop)
}

/// A manifest has that subject from now on: deletes of the manifest that are on their way are found by it too.
pub(crate) fn find_deletes_by(db: &Connection, of: &ManifestKey, subject: &str) -> Result<()> {
    let [upstream, repository, digest] = key(of);
    let found = db
        .prepare_cached(
            "INSERT INTO attempt (id, subject, kind, upstream, repository, digest, tag, owner, deadline)
             SELECT id, ?4, kind, upstream, repository, digest, tag, owner, deadline
             FROM attempt INDEXED BY attempt_by_digest
             WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND kind = 'delete' AND tag IS NULL
             ON CONFLICT (id, subject) DO NOTHING",
        )?
        .execute([upstream, repository, digest, subject])?;
    if found > 0 {
        db.prepare_cached(
            "DELETE FROM attempt INDEXED BY attempt_by_digest
             WHERE upstream = ? AND repository = ? AND digest = ? AND kind = 'delete' AND tag IS NULL
             AND subject = ''",
        )?
        .execute([upstream, repository, digest])?;
    }
    Ok(())
}

pub(crate) fn forget(db: &Connection, id: AttemptId) -> Result<()> {
    db.prepare_cached("DELETE FROM attempt WHERE id = ?")?.execute([id.0]).map(drop)
}

pub(crate) fn release(db: &Connection, id: AttemptId) -> Result<()> {
    db.prepare_cached("UPDATE attempt SET owner = NULL WHERE id = ?")?.execute([id.0]).map(drop)
}

pub(crate) fn release_all(db: &Connection) -> Result<()> {
    db.execute("UPDATE attempt SET owner = NULL WHERE owner IS NOT NULL", []).map(drop)
}

/// Those on a digest whose time was over at that moment.
pub(crate) fn forget_past(db: &Connection, of: &ManifestKey, moment: StoreTime) -> Result<()> {
    let [upstream, repository, digest] = key(of);
    db.prepare_cached(
        "DELETE FROM attempt WHERE upstream = ? AND repository = ? AND digest = ? AND tag IS NULL AND deadline < ?",
    )?
    .execute(params![upstream, repository, digest, moment.0])
    .map(drop)
}

/// The same of those on a tag.
pub(crate) fn forget_past_of_tag(db: &Connection, beside: &ManifestKey, tag: &str, moment: StoreTime) -> Result<()> {
    db.prepare_cached("DELETE FROM attempt WHERE upstream = ? AND repository = ? AND tag = ? AND deadline < ?")?
        .execute(params![beside.upstream, beside.repository.as_str(), tag, moment.0])
        .map(drop)
}

/// Whether any is open on referrers of a subject.
pub(crate) fn any(db: &Connection, subject: &ManifestKey) -> Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM attempt INDEXED BY attempt_by_subject
         WHERE upstream = ? AND repository = ? AND subject = ? LIMIT 1",
    )?
    .exists(key(subject))
}

/// Each digest and tag once, by whichever of the subjects it was found. They are of one repository.
pub(crate) fn orphans(db: &Connection, subjects: &[ManifestKey], count: usize, now: StoreTime) -> Result<Vec<Orphan>> {
    // Nearly always there is none, and each query asks: the grouping below costs ten times this.
    let open = subjects.iter().map(|subject| any(db, subject)).collect::<Result<Vec<_>>>()?;
    let Some(beside) = subjects.first().filter(|_| open.contains(&true)) else { return Ok(Vec::new()) };
    let among: serde_json::Value = subjects.iter().map(|subject| subject.digest.as_str()).collect();
    db.prepare_cached(
        "SELECT subject, digest, tag, max(deadline) < ?4 AS expired FROM attempt INDEXED BY attempt_by_subject
         WHERE upstream = ?1 AND repository = ?2 AND subject IN (SELECT value FROM json_each(?3))
         AND (owner IS NULL OR deadline < ?4)
         GROUP BY digest, tag ORDER BY expired DESC, random() LIMIT ?5",
    )?
    .query_map(params![beside.upstream, beside.repository.as_str(), among.to_string(), now.0, limit(count)], |row| {
        Ok(Orphan { subject: digest(row, 0)?, digest: digest(row, 1)?, tag: row.get(2)?, expired: row.get(3)? })
    })?
    .collect()
}
