//! Rows of referrers, written.

use rusqlite::{Connection, OptionalExtension, Result, named_params, params};

use super::{
    attempts,
    columns::{key, sibling},
    forms, seen, subjects,
};
use crate::{
    referrers::{ManifestKey, Relation},
    store::{StoreTime, kept, via},
};

/// Lists a relation. A repeated push keeps its arrival, one after a delete arrives anew. `settles` what an earlier request
/// left open: where the relation is listed already, the set doesn't change, and no tag is stale for it.
pub(crate) fn hold(db: &Connection, relation: &Relation, settles: bool, now: StoreTime) -> Result<()> {
    let (of, subject) = (&relation.referrer, relation.subject.as_str());
    if settles && renew(db, relation)? {
        return attempts::find_deletes_by(db, of, subject);
    }
    let version = subjects::bump(db, of, subject)?;
    let [upstream, repository, digest] = key(of);
    let kept = db
        .prepare_cached(
            "SELECT arrival FROM referrer WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ?
             AND state <> 'deleted'",
        )?
        .query_row([upstream, repository, digest, subject], |row| row.get(0))
        .optional()?;
    let arrival = kept.map_or_else(|| subjects::arrive(db, of, subject, now), Ok)?;
    let row = Row {
        arrival,
        state: "listed",
        via: via::as_text(relation.via),
        artifact_type: relation.artifact_type.as_deref(),
        created: relation.created.unwrap_or(i64::MIN),
        descriptor: &relation.descriptor,
        original: relation.pushed.as_ref().map(|pushed| &*pushed.descriptor),
        version,
    };
    put(db, of, subject, &row, now)?;
    attempts::find_deletes_by(db, of, subject)
}

/// Gives a relation's row a new version if it is listed as it is. `false`: it is not.
fn renew(db: &Connection, relation: &Relation) -> Result<bool> {
    let [upstream, repository, digest] = key(&relation.referrer);
    let renewed = db
        .prepare_cached(
            "UPDATE referrer INDEXED BY referrer_by_digest SET version = version + 1
             WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ? AND state = 'listed'
             AND descriptor = ? AND original IS ?",
        )?
        .execute(params![
            upstream,
            repository,
            digest,
            relation.subject.as_str(),
            relation.descriptor,
            relation.pushed.as_ref().map(|pushed| &*pushed.descriptor)
        ])?;
    Ok(renewed > 0)
}

/// Gives the listed rows of a subject, in both its forms, new versions where a delete of them is open.
pub(crate) fn doubt_deletes(db: &Connection, subject: &ManifestKey) -> Result<()> {
    let other = forms::other(db, subject, subject.digest.as_str())?;
    for form in other.as_deref().into_iter().chain([subject.digest.as_str()]) {
        db.prepare_cached(
            "UPDATE referrer INDEXED BY referrer_by_digest SET version = version + 1
             WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND state = 'listed'
             AND digest IN (SELECT digest FROM attempt INDEXED BY attempt_by_subject
                            WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND kind = 'delete')",
        )?
        .execute(sibling(subject, form))?;
    }
    Ok(())
}

/// Marks a manifest as deleted under every subject that a row or a push on its way names.
pub(crate) fn delete(db: &Connection, of: &ManifestKey, now: StoreTime) -> Result<()> {
    let subjects: Vec<String> = db
        .prepare_cached(
            "SELECT subject FROM referrer INDEXED BY referrer_by_digest
             WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
             UNION
             SELECT subject FROM attempt WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
             AND kind = 'push' AND subject <> ''",
        )?
        .query_map(key(of), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for subject in &subjects {
        delete_one(db, of, subject, now)?;
    }
    if subjects.is_empty() { note_deleted(db, of, now) } else { Ok(()) }
}

/// Nobody knows whom it referred to. It is noted under no subject all the same: who read it before must find its version
/// changed, and not bring it back.
fn note_deleted(db: &Connection, of: &ManifestKey, now: StoreTime) -> Result<()> {
    let version = seen::look(db, of, None, now)?.version + 1;
    put(db, of, "", &Row { arrival: now.0, state: "deleted", via: "subject", version, ..Row::default() }, now)
}

/// The same under one subject. What the subject's tag resolves to is forgotten: the tag may go on to name who was deleted,
/// and who comes back around backref must be found in it before it is written.
pub(crate) fn delete_one(db: &Connection, of: &ManifestKey, subject: &str, now: StoreTime) -> Result<()> {
    let version = subjects::bump(db, of, subject)?;
    subjects::forget_index(db, of, subject)?;
    let arrival = subjects::arrive(db, of, subject, now)?;
    put(db, of, subject, &Row { arrival, state: "deleted", via: "subject", version, ..Row::default() }, now)
}

/// Changes the rows of a digest that are in one state to another.
pub(crate) fn change_state(db: &Connection, of: &ManifestKey, from: &str, to: &str, now: StoreTime) -> Result<()> {
    let [upstream, repository, digest] = key(of);
    // All of them at once: what is written meanwhile must not change what is read.
    let subjects: Vec<String> = db
        .prepare_cached(
            "SELECT subject FROM referrer INDEXED BY referrer_by_digest
             WHERE upstream = ? AND repository = ? AND digest = ? AND state = ?",
        )?
        .query_map([upstream, repository, digest, from], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for subject in subjects {
        let version = subjects::bump(db, of, &subject)?;
        db.prepare_cached(
            "UPDATE referrer SET state = ?, changed_at = ?, version = max(?, version + 1)
             WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ?",
        )?
        .execute(params![to, now.0, version, upstream, repository, digest, subject])?;
    }
    Ok(())
}

/// A row that is missing for a day, and found so again, goes for good. The list doesn't change by it.
pub(crate) fn drop_missing(db: &Connection, of: &ManifestKey, now: StoreTime) -> Result<()> {
    let [upstream, repository, digest] = key(of);
    db.prepare_cached(
        "DELETE FROM referrer INDEXED BY referrer_by_digest WHERE upstream = ? AND repository = ? AND digest = ?
         AND state = 'missing' AND changed_at < ?",
    )?
    .execute(params![upstream, repository, digest, now.0 - kept::MISSING])
    .map(drop)
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
    version: i64,
}

fn put(db: &Connection, of: &ManifestKey, subject: &str, row: &Row<'_>, now: StoreTime) -> Result<()> {
    let [upstream, repository, subject] = sibling(of, subject);
    db.prepare_cached(
        "INSERT INTO referrer (upstream, repository, subject, arrival, digest, state, via, artifact_type, created,
                               descriptor, original, changed_at, version)
         VALUES (:upstream, :repository, :subject, :arrival, :digest, :state, :via, :artifact_type, :created,
                 :descriptor, :original, :changed_at, :version)
         ON CONFLICT (upstream, repository, digest, subject) DO UPDATE SET
             arrival = :arrival, state = :state, via = :via, artifact_type = :artifact_type, created = :created,
             descriptor = :descriptor, original = :original,
             changed_at = :changed_at, version = max(:version, version + 1)",
    )?
    .execute(named_params! {
        ":upstream": upstream, ":repository": repository, ":subject": subject, ":arrival": row.arrival,
        ":digest": of.digest.as_str(), ":state": row.state, ":via": row.via, ":artifact_type": row.artifact_type,
        ":created": row.created, ":descriptor": row.descriptor, ":original": row.original, ":changed_at": now.0,
        ":version": row.version,
    })
    .map(drop)
}
