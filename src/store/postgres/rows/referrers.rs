//! Rows of referrers, written.

use super::{attempts, columns::key, subjects};
use crate::{
    referrers::{ManifestKey, Relation},
    store::{
        StoreTime, kept,
        postgres::batch::{Batch, Value, values},
        via,
    },
};

/// The row of a digest under a subject, as of the subject's version and last arrival. A repeated push keeps its arrival, one
/// after a delete arrives anew.
const PUT: &str = "
    INSERT INTO referrer AS this (upstream, repository, subject, digest, arrival, state, via, artifact_type, created,
                                  descriptor, original, changed_at, version)
    SELECT $1::text, $2::text, $3::text, $4::text, last_arrival, $5::text, $6::text, $7::text, $8::bigint, $9::text, $10::text,
           $11::bigint, version
    FROM subject WHERE upstream = $1 AND repository = $2 AND subject = $3
    ON CONFLICT (upstream, repository, digest, subject) DO UPDATE SET
        arrival = CASE WHEN this.state = 'deleted' OR excluded.state = 'deleted' THEN excluded.arrival
                       ELSE this.arrival END,
        state = excluded.state, via = excluded.via, artifact_type = excluded.artifact_type, created = excluded.created,
        descriptor = excluded.descriptor, original = excluded.original, changed_at = excluded.changed_at,
        version = greatest(excluded.version, this.version + 1)";

/// A deleted digest of which nobody knows whom it referred to: whoever read it before must find its version changed, and not
/// bring it back.
const NOTE_DELETED: &str = "
    INSERT INTO referrer AS this (upstream, repository, subject, digest, arrival, state, via, created, descriptor,
                                  changed_at, version)
    SELECT $1::text, $2::text, '', $3::text, $4::bigint, 'deleted', 'subject', 0, '', $4::bigint,
           1 + (SELECT coalesce(sum(version), 0)::bigint FROM referrer
                WHERE upstream = $1 AND repository = $2 AND digest = $3)
    ON CONFLICT (upstream, repository, digest, subject) DO UPDATE SET
        arrival = excluded.arrival, state = 'deleted', via = 'subject', artifact_type = NULL, created = 0,
        descriptor = '', original = NULL, changed_at = excluded.changed_at,
        version = greatest(excluded.version, this.version + 1)";

/// Gives a relation's row a new version if it is listed as it is.
pub(crate) const RENEW: &str = "
    UPDATE referrer SET version = version + 1
    WHERE upstream = $1 AND repository = $2 AND digest = $3 AND subject = $4 AND state = 'listed'
    AND descriptor = $5 AND original IS NOT DISTINCT FROM $6 RETURNING 1";

/// Gives the listed rows of a subject, in all its forms, new versions where a delete of them is open.
pub(crate) const DOUBT_DELETES: &str = "
    UPDATE referrer SET version = version + 1
    WHERE upstream = $1 AND repository = $2 AND state = 'listed' AND (digest, subject) IN (
        SELECT digest, subject FROM attempt
        WHERE upstream = $1 AND repository = $2 AND kind = 'delete' AND subject IN (
            SELECT $3::text
            UNION SELECT carrier FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3
            UNION SELECT original FROM alias WHERE upstream = $1 AND repository = $2 AND carrier = $3))";

/// The rows of a digest: under whom, and in which state; and the subjects of pushes on their way, in none.
pub(crate) const ROWS: &str = "
    SELECT subject, state FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $3
    UNION ALL
    SELECT DISTINCT subject, '' FROM attempt AS this WHERE upstream = $1 AND repository = $2 AND digest = $3
    AND kind = 'push' AND subject <> ''
    AND NOT EXISTS (SELECT 1 FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $3
                    AND referrer.subject = this.subject)";

const CHANGE_STATE: &str = "
    UPDATE referrer AS this SET state = $5, changed_at = $6,
        version = greatest(this.version + 1, (SELECT version FROM subject
                                              WHERE upstream = $1 AND repository = $2 AND subject = $4))
    WHERE upstream = $1 AND repository = $2 AND digest = $3 AND subject = $4";

const DROP_MISSING: &str = "
    DELETE FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $3
    AND state = 'missing' AND changed_at < $4";

pub(crate) fn renew(relation: &Relation) -> Vec<Value<'_>> {
    let [upstream, repository, digest] = key(&relation.referrer);
    let original = relation.pushed.as_ref().map(|pushed| &*pushed.descriptor);
    values![upstream, repository, digest, relation.subject.as_str(), &relation.descriptor, original]
}

/// Lists a relation.
pub(crate) fn hold<'v>(batch: &mut Batch<'v>, relation: &'v Relation, now: StoreTime) {
    let (of, subject) = (&relation.referrer, relation.subject.as_str());
    let [upstream, repository, digest] = key(of);
    subjects::bump(batch, of, subject);
    subjects::arrive(batch, of, subject, now.0, digest);
    let via = via::as_text(relation.via);
    batch.add(
        PUT,
        values![
            upstream,
            repository,
            subject,
            digest,
            "listed",
            via,
            relation.artifact_type.as_deref(),
            relation.created.unwrap_or(i64::MIN),
            &relation.descriptor,
            relation.pushed.as_ref().map(|pushed| &*pushed.descriptor),
            now.0
        ],
    );
    attempts::find_deletes_by(batch, of, subject);
}

/// Marks a manifest as deleted under every one of `subjects`, which are all that it has or will have.
pub(crate) fn delete<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, subjects: &'v [String], now: StoreTime) {
    for subject in subjects {
        delete_one(batch, of, subject, now);
    }
    if subjects.is_empty() {
        let [upstream, repository, digest] = key(of);
        batch.add(NOTE_DELETED, values![upstream, repository, digest, now.0]);
    }
}

/// The same under one subject. What the subject's tag resolves to is forgotten: the tag may go on to name who was deleted,
/// and who comes back around backref must be found in it before it is written.
pub(crate) fn delete_one<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, subject: &'v str, now: StoreTime) {
    let [upstream, repository, digest] = key(of);
    subjects::bump(batch, of, subject);
    subjects::forget_index(batch, of, subject);
    // It arrives as one that goes, whatever it had.
    subjects::arrive(batch, of, subject, now.0, "");
    let (none, no_type) = (None::<&str>, None::<&str>);
    batch.add(PUT, values![upstream, repository, subject, digest, "deleted", "subject", no_type, 0, "", none, now.0]);
}

/// Changes the row of a digest under a subject to another state.
pub(crate) fn change_state<'v>(
    batch: &mut Batch<'v>,
    of: &'v ManifestKey,
    subject: &'v str,
    to: &'v str,
    now: StoreTime,
) {
    let [upstream, repository, digest] = key(of);
    subjects::bump(batch, of, subject);
    batch.add(CHANGE_STATE, values![upstream, repository, digest, subject, to, now.0]);
}

/// A row that is missing for a day, and found so again, goes for good. The list doesn't change by it.
pub(crate) fn drop_missing<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, now: StoreTime) {
    let [upstream, repository, digest] = key(of);
    batch.add(DROP_MISSING, values![upstream, repository, digest, now.0 - kept::MISSING]);
}
