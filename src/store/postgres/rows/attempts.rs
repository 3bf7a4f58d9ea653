//! Pushes and deletes on their way. Each has a row for each subject of its manifest: so each subject finds it.

use std::time::Duration;

use tokio_postgres::Row;

use super::columns::{digest, get, key};
use crate::{
    referrers::ManifestKey,
    store::{
        Attempt, AttemptId, AttemptKind, Orphan, StoreError, StoreTime,
        postgres::batch::{Batch, now, values},
    },
};

const NOTE: &str = concat!(
    "INSERT INTO attempt (upstream, repository, id, subject, kind, digest, tag, owner, deadline)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, ",
    now!(),
    " + $9) ON CONFLICT (upstream, repository, id, subject) DO NOTHING"
);

/// The same by the subjects that its manifest has, or will have if a push on its way comes through; without any: by '', for
/// none.
const NOTE_BY_ALL: &str = concat!(
    "WITH known AS (
         SELECT subject FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $5 AND subject <> ''
         UNION
         SELECT subject FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = $5 AND subject <> '')
     INSERT INTO attempt (upstream, repository, id, subject, kind, digest, tag, owner, deadline)
     SELECT $1::text, $2::text, $3::bigint, subject, $4::text, $5::text, $6::text, $7::text, ",
    now!(),
    " + $8 FROM (SELECT subject FROM known UNION ALL SELECT '' WHERE NOT EXISTS (SELECT 1 FROM known)) AS subjects
     ON CONFLICT (upstream, repository, id, subject) DO NOTHING"
);

/// A manifest has subject $4 from now on: deletes of the manifest that are on their way are found by it too.
const FIND_DELETES: &str = "
    INSERT INTO attempt (upstream, repository, id, subject, kind, digest, tag, owner, deadline)
    SELECT upstream, repository, id, $4::text, kind, digest, tag, owner, deadline FROM attempt
    WHERE upstream = $1 AND repository = $2 AND digest = $3 AND kind = 'delete' AND tag IS NULL
    ON CONFLICT (upstream, repository, id, subject) DO NOTHING";

/// And not by none any more.
const FOUND_DELETES: &str = "
    DELETE FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = $3
    AND kind = 'delete' AND tag IS NULL AND subject = ''";

const FORGET: &str = "DELETE FROM attempt WHERE upstream = $1 AND repository = $2 AND id = $3";

const RELEASE: &str = "UPDATE attempt SET owner = NULL WHERE upstream = $1 AND repository = $2 AND id = $3";

/// Those on a digest whose time was over at that moment.
const FORGET_PAST: &str = "
    DELETE FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = $3 AND tag IS NULL AND deadline < $4";

/// The same of those on a tag.
const FORGET_PAST_OF_TAG: &str =
    "DELETE FROM attempt WHERE upstream = $1 AND repository = $2 AND tag = $3 AND deadline < $4";

/// Of a repository that nothing is known about, the lock goes too: whatever somebody names, and is refused, leaves nothing
/// behind.
const FORGET_REPOSITORY: &str = "
    DELETE FROM repository WHERE upstream = $1 AND repository = $2
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2)
    AND NOT EXISTS (SELECT 1 FROM subject WHERE upstream = $1 AND repository = $2)
    AND NOT EXISTS (SELECT 1 FROM referrer WHERE upstream = $1 AND repository = $2)
    AND NOT EXISTS (SELECT 1 FROM tag WHERE upstream = $1 AND repository = $2)
    AND NOT EXISTS (SELECT 1 FROM alias WHERE upstream = $1 AND repository = $2)";

/// Those of these subjects that nobody works on any more: given up, or over, or of a process that has died. Each digest and
/// tag once, by whichever of the subjects it was found. They are of one repository.
pub(crate) const ORPHANS: &str = concat!(
    "SELECT (array_agg(subject ORDER BY deadline DESC))[1], digest, tag, max(deadline) < ",
    now!(),
    " AS expired FROM attempt
     WHERE upstream = $1 AND repository = $2 AND subject = ANY ($3::text[])
     AND (owner IS NULL OR deadline < ",
    now!(),
    " OR NOT EXISTS (SELECT 1 FROM process WHERE process.owner = attempt.owner AND alive_until >= ",
    now!(),
    "))
     GROUP BY digest, tag ORDER BY expired DESC, random() LIMIT $4"
);

pub(crate) fn note<'v>(batch: &mut Batch<'v>, attempt: &'v Attempt, owner: &'v str) {
    let [upstream, repository, digest] = key(&attempt.key);
    let kind = match attempt.kind {
        AttemptKind::Push => "push",
        AttemptKind::Delete => "delete",
    };
    let (id, tag, lasts) = (attempt.id.0, attempt.tag.as_deref(), micros(attempt.lasts));
    match &attempt.subject {
        Some(subject) => {
            let subject = subject.as_str();
            batch.add(NOTE, values![upstream, repository, id, subject, kind, digest, tag, owner, lasts]);
            find_deletes_by(batch, &attempt.key, subject);
        }
        None => batch.add(NOTE_BY_ALL, values![upstream, repository, id, kind, digest, tag, owner, lasts]),
    }
}

/// How long that is, in the unit of all times.
pub(crate) fn micros(time: Duration) -> i64 {
    StoreTime(0).after(time).0
}

pub(crate) fn find_deletes_by<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, subject: &'v str) {
    let [upstream, repository, digest] = key(of);
    batch.add(FIND_DELETES, values![upstream, repository, digest, subject]);
    batch.add(FOUND_DELETES, values![upstream, repository, digest]);
}

pub(crate) fn forget<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, id: AttemptId) {
    batch.add(FORGET, values![&*of.upstream, of.repository.as_str(), id.0]);
}

pub(crate) fn release<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, id: AttemptId) {
    batch.add(RELEASE, values![&*of.upstream, of.repository.as_str(), id.0]);
}

pub(crate) fn forget_past<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, moment: StoreTime) {
    let [upstream, repository, digest] = key(of);
    batch.add(FORGET_PAST, values![upstream, repository, digest, moment.0]);
}

pub(crate) fn forget_past_of_tag<'v>(batch: &mut Batch<'v>, beside: &'v ManifestKey, tag: &'v str, moment: StoreTime) {
    batch.add(FORGET_PAST_OF_TAG, values![&*beside.upstream, beside.repository.as_str(), tag, moment.0]);
}

pub(crate) fn forget_repository<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey) {
    batch.add(FORGET_REPOSITORY, values![&*of.upstream, of.repository.as_str()]);
}

pub(crate) fn orphan(row: &Row) -> Result<Orphan, StoreError> {
    let tag: Option<&str> = get(row, 2)?;
    Ok(Orphan { subject: digest(row, 0)?, digest: digest(row, 1)?, tag: tag.map(Box::from), expired: get(row, 3)? })
}
