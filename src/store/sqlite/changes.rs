//! What is written: each function runs inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension, Result, ToSql, named_params, params};

use super::{aliases, late, reads, relation_tags};
use crate::{
    oci::Via,
    referrers::{ManifestKey, Relation},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Seen, Verdict},
};

/// How long a row stays missing before a second 404 drops it.
const KEEP_MISSING: i64 = 24 * 3600 * 1_000_000;

pub(super) fn begin(db: &Connection, attempt: &Attempt, owner: &str, now: i64) -> Result<Seen> {
    let seen = match &attempt.tag {
        Some(tag) => relation_tags::look(db, &attempt.key, tag, Some(attempt.id))?.seen,
        None => reads::look(db, &attempt.key, Some(attempt.id))?,
    };
    let mut insert = db.prepare_cached(
        "INSERT INTO attempt (id, kind, upstream, repository, digest, subject, owner, deadline, tag)
         VALUES (?1, ?2, ?3, ?4, ?5,
                 coalesce(?6, (SELECT subject FROM referrer WHERE upstream = ?3 AND repository = ?4 AND digest = ?5)),
                 ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        attempt.id.0,
        match attempt.kind {
            AttemptKind::Push => "push",
            AttemptKind::Delete => "delete",
        },
        attempt.key.upstream,
        attempt.key.repository.as_str(),
        attempt.key.digest.as_str(),
        attempt.subject.as_ref().map(crate::oci::Digest::as_str),
        owner,
        attempt.deadline,
        attempt.tag,
    ])?;
    match &attempt.subject {
        // A delete that came before the digest had a subject is found by it from now on.
        Some(subject) => db
            .prepare_cached(
                "UPDATE attempt SET subject = ? WHERE upstream = ? AND repository = ? AND digest = ? AND subject IS NULL",
            )?
            .execute(params![
                subject.as_str(),
                attempt.key.upstream,
                attempt.key.repository.as_str(),
                attempt.key.digest.as_str()
            ])?,
        None => late::drop_deletes(db, now)?,
    };
    Ok(seen)
}

pub(super) fn drop_attempt(db: &Connection, id: AttemptId) -> Result<()> {
    db.prepare_cached("DELETE FROM attempt WHERE id = ?")?.execute([id.0]).map(drop)
}

fn drop_past(db: &Connection, key: &ManifestKey, asked: i64) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM attempt WHERE upstream = ? AND repository = ? AND digest = ? AND tag IS NULL AND deadline < ?",
    )?
    .execute(params![key.upstream, key.repository.as_str(), key.digest.as_str(), asked])
    .map(drop)
}

pub(super) fn release(db: &Connection, id: AttemptId) -> Result<()> {
    db.prepare_cached("UPDATE attempt SET owner = NULL WHERE id = ?")?.execute([id.0]).map(drop)
}

/// At the start of the only `serve`: what earlier ones left open has no owner any more.
pub(super) fn adopt(db: &Connection, now: i64) -> Result<()> {
    db.execute("UPDATE attempt SET owner = NULL WHERE owner IS NOT NULL", [])?;
    late::drop_deletes(db, now).map(drop)
}

pub(super) fn check(db: &Connection, upstream: &str, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO upstream (name, checked_at) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET checked_at = ?2",
    )?
    .execute(params![upstream, now])
    .map(drop)
}

pub(super) fn learn(db: &Connection, upstream: &str, learned: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO upstream (name, learned) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET learned = ?2",
    )?
    .execute([upstream, learned])
    .map(drop)
}

pub(super) fn apply(
    db: &Connection,
    key: &ManifestKey,
    verdict: &Verdict,
    basis: Basis,
    close: Close,
    now: i64,
) -> Result<Applied> {
    let mine = if let Close::One(id) | Close::GiveUp(id) = close { Some(id) } else { None };
    let seen = reads::look(db, key, mine)?;
    if seen.version != basis.version || (basis.alone && seen.contended) {
        return Ok(Applied::Outdated(seen));
    }
    match verdict {
        Verdict::Held(relation) => hold(db, relation, now)?,
        Verdict::Seen => change_state(db, key, "missing", "listed", now)?,
        Verdict::Deleted => delete(db, key, now)?,
        Verdict::Absent => {
            drop_missing(db, key, now)?;
            change_state(db, key, "listed", "missing", now)?;
        }
    }
    match close {
        Close::Nothing => {}
        Close::One(id) => drop_attempt(db, id)?,
        Close::GiveUp(id) => release(db, id)?,
        Close::Past(asked) => drop_past(db, key, asked)?,
    }
    Ok(Applied::Done)
}

/// Lists a relation. A repeated push keeps its arrival, one after a delete arrives anew.
pub(super) fn hold(db: &Connection, relation: &Relation, now: i64) -> Result<()> {
    let (key, subject) = (&relation.referrer, relation.subject.as_str());
    let version = bump(db, key, subject)?;
    let kept = db
        .prepare_cached(
            "SELECT arrival FROM referrer WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ?
             AND state <> 'deleted'",
        )?
        .query_row(params![key.upstream, key.repository.as_str(), key.digest.as_str(), subject], |row| row.get(0))
        .optional()?;
    let arrival = kept.map_or_else(|| arrive(db, key, subject, now), Ok)?;
    upsert(
        db,
        key,
        subject,
        &Row {
            arrival,
            state: "listed",
            via: match relation.via {
                Via::Subject => "subject",
                Via::Refers => "refers",
                Via::Tag => "tag",
            },
            artifact_type: relation.artifact_type.as_deref(),
            created: relation.created.unwrap_or(i64::MIN),
            descriptor: &relation.descriptor,
            original: relation.pushed.as_ref().map(|pushed| &*pushed.descriptor),
            changed_at: now,
            version,
        },
    )?;
    if let Some(pushed) = &relation.pushed {
        aliases::keep(db, key, pushed)?;
    }
    late::drop_deleted(db, now)
}

/// Marks a digest as deleted under every subject that a row or a push on its way names.
fn delete(db: &Connection, key: &ManifestKey, now: i64) -> Result<()> {
    let sql = "SELECT subject FROM referrer INDEXED BY referrer_by_digest
         WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
         UNION
         SELECT subject FROM attempt WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
         AND kind = 'push' AND subject IS NOT NULL";
    let subjects = subjects(db, sql, params![key.upstream, key.repository.as_str(), key.digest.as_str()])?;
    for subject in &subjects {
        delete_one(db, key, subject, now)?;
    }
    if subjects.is_empty() {
        note_deleted(db, key, now)?;
    }
    relation_tags::take_off(db, key, now)?;
    late::drop_deleted(db, now)?;
    aliases::forget(db, key)
}

/// Nobody knows whom it referred to. It is noted under no subject all the same: who read it before must find its version
/// changed, and not bring it back.
fn note_deleted(db: &Connection, key: &ManifestKey, now: i64) -> Result<()> {
    let version = reads::look(db, key, None)?.version + 1;
    let row = Row { arrival: now, state: "deleted", via: "subject", changed_at: now, version, ..Row::default() };
    upsert(db, key, "", &row)
}

pub(super) fn delete_one(db: &Connection, key: &ManifestKey, subject: &str, now: i64) -> Result<()> {
    let version = bump(db, key, subject)?;
    let arrival = arrive(db, key, subject, now)?;
    let row = Row { arrival, state: "deleted", via: "subject", changed_at: now, version, ..Row::default() };
    upsert(db, key, subject, &row)
}

fn change_state(db: &Connection, key: &ManifestKey, from: &str, to: &str, now: i64) -> Result<()> {
    let sql = "SELECT subject FROM referrer INDEXED BY referrer_by_digest
               WHERE upstream = ? AND repository = ? AND digest = ? AND state = ?";
    for subject in subjects(db, sql, params![key.upstream, key.repository.as_str(), key.digest.as_str(), from])? {
        let version = bump(db, key, &subject)?;
        db.prepare_cached(
            "UPDATE referrer SET state = ?, changed_at = ?, version = ?
             WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ?",
        )?
        .execute(params![
            to,
            now,
            version,
            key.upstream,
            key.repository.as_str(),
            key.digest.as_str(),
            subject
        ])?;
    }
    Ok(())
}

/// All of them at once: what is written meanwhile must not change what is read.
fn subjects(db: &Connection, sql: &str, of: &[&dyn ToSql]) -> Result<Vec<String>> {
    db.prepare_cached(sql)?.query_map(of, |row| row.get(0))?.collect()
}

/// A row that is missing for a day, and found so again, goes for good. The list doesn't change by it.
fn drop_missing(db: &Connection, key: &ManifestKey, now: i64) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM referrer INDEXED BY referrer_by_digest WHERE upstream = ? AND repository = ? AND digest = ?
         AND state = 'missing' AND changed_at < ?",
    )?
    .execute(params![key.upstream, key.repository.as_str(), key.digest.as_str(), now - KEEP_MISSING])
    .map(drop)
}

/// Counts a change of the subject's set, and gives its new version. Who refers to either form of a subject is of one
/// set, and stands in the tags of both.
fn bump(db: &Connection, key: &ManifestKey, subject: &str) -> Result<i64> {
    if let Some(other) = aliases::other(db, key, subject)? {
        bump_one(db, key, &other)?;
    }
    bump_one(db, key, subject)
}

pub(super) fn bump_one(db: &Connection, key: &ManifestKey, subject: &str) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO subject (upstream, repository, subject, version) VALUES (?, ?, ?, 1)
         ON CONFLICT (upstream, repository, subject) DO UPDATE SET version = version + 1 RETURNING version",
    )?
    .query_row(params![key.upstream, key.repository.as_str(), subject], |row| row.get(0))
}

/// The next arrival: the clock's, but always after the one before. Follows a [`bump`], which makes the row.
fn arrive(db: &Connection, key: &ManifestKey, subject: &str, now: i64) -> Result<i64> {
    db.prepare_cached(
        "UPDATE subject SET last_arrival = CASE WHEN last_arrival < ?1 THEN ?1 ELSE last_arrival + 1 END
         WHERE upstream = ?2 AND repository = ?3 AND subject = ?4 RETURNING last_arrival",
    )?
    .query_row(params![now, key.upstream, key.repository.as_str(), subject], |row| row.get(0))
}

#[derive(Default)]
struct Row<'a> {
    arrival: i64,
    state: &'a str,
    via: &'a str,
    artifact_type: Option<&'a str>,
    created: i64,
    descriptor: &'a str,
    original: Option<&'a str>,
    changed_at: i64,
    version: i64,
}

fn upsert(db: &Connection, key: &ManifestKey, subject: &str, row: &Row<'_>) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO referrer (upstream, repository, subject, arrival, digest, state, via, artifact_type, created,
                               descriptor, original, changed_at, version)
         VALUES (:upstream, :repository, :subject, :arrival, :digest, :state, :via, :artifact_type, :created,
                 :descriptor, :original, :changed_at, :version)
         ON CONFLICT (upstream, repository, digest, subject) DO UPDATE SET
             arrival = :arrival, state = :state, via = :via, artifact_type = :artifact_type, created = :created,
             descriptor = :descriptor, original = :original, changed_at = :changed_at, version = :version",
    )?
    .execute(named_params! {
        ":upstream": key.upstream, ":repository": key.repository.as_str(), ":subject": subject,
        ":arrival": row.arrival, ":digest": key.digest.as_str(), ":state": row.state, ":via": row.via,
        ":artifact_type": row.artifact_type, ":created": row.created, ":descriptor": row.descriptor,
        ":original": row.original, ":changed_at": row.changed_at, ":version": row.version,
    })
    .map(drop)
}
