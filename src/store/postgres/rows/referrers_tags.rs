//! Referrers tags: what each is known to hold, and which process writes it.

use tokio_postgres::Row;

use super::columns::{digest_or_null, get, key, only, time_or_null};
use crate::{
    oci::Digest,
    referrers::ManifestKey,
    store::{
        StoreError, StoreTime, TagHolds, TagLook, TagState,
        postgres::batch::{Batch, Value, now, values},
    },
};

/// What is known, and the moment.
macro_rules! columns {
    () => {
        concat!("version, tag_version, tag_digest, tag_marked, unsettled_until, checked_at, tag_writes, ", now!())
    };
}
pub(super) use columns;

pub(crate) const TAG: &str =
    concat!("SELECT ", columns!(), " FROM subject WHERE upstream = $1 AND repository = $2 AND subject = $3");

/// Of each of $3, in their order; without a version where nothing is known.
pub(crate) const TAGS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM unnest($3::text[]) WITH ORDINALITY AS this (form, place)
     LEFT JOIN subject ON upstream = $1 AND repository = $2 AND subject = this.form ORDER BY place"
);

pub(crate) const HAS_MARKED: &str =
    "SELECT EXISTS (SELECT 1 FROM subject WHERE upstream = $1 AND repository = $2 AND tag_marked)";

pub(crate) const SUBJECT_OF_INDEX: &str =
    "SELECT subject FROM subject WHERE upstream = $1 AND repository = $2 AND tag_digest = $3 LIMIT 1";

/// Nobody has the lease, or this process has it, or it is over, or whoever has it has died. $4 is this process.
macro_rules! free {
    () => {
        concat!(
            "(lease_owner IS NULL OR lease_owner = $4 OR lease_until < ",
            now!(),
            " OR NOT EXISTS (SELECT 1 FROM process WHERE owner = lease_owner AND alive_until >= ",
            now!(),
            "))"
        )
    };
}

const MAKE: &str = "
    INSERT INTO subject (upstream, repository, subject) VALUES ($1, $2, $3)
    ON CONFLICT (upstream, repository, subject) DO NOTHING";

const TAKE: &str = concat!(
    "UPDATE subject SET lease_owner = $4, lease_until = clock.at + $5, tag_writes = tag_writes + 1,
         unsettled_until = greatest(unsettled_until, clock.at + $5),
         tag_version = CASE WHEN $6 AND version > 0 THEN least(tag_version, version - 1) ELSE tag_version END
     FROM (SELECT ",
    now!(),
    " AS at OFFSET 0) AS clock
     WHERE upstream = $1 AND repository = $2 AND subject = $3 AND ",
    free!(),
    " RETURNING clock.at"
);

const HOLDS: &str = "
    UPDATE subject SET tag_version = $5, tag_digest = $6, tag_marked = $7, checked_at = $8
    WHERE upstream = $1 AND repository = $2 AND subject = $3 AND lease_owner = $4";

const UNDO: &str = "
    UPDATE subject SET tag_version = greatest(tag_version, $5)
    WHERE upstream = $1 AND repository = $2 AND subject = $3 AND lease_owner = $4
    AND tag_digest IS NOT DISTINCT FROM $6 AND tag_writes = $7";

const END: &str = "
    UPDATE subject SET unsettled_until = $5, lease_owner = CASE WHEN $6 THEN NULL ELSE lease_owner END,
        tag_writes = tag_writes + 1
    WHERE upstream = $1 AND repository = $2 AND subject = $3 AND lease_owner = $4";

/// Whatever tag somebody names, and is refused, leaves nothing behind.
const FORGET_SUBJECT: &str = "
    DELETE FROM subject WHERE upstream = $1 AND repository = $2 AND subject = $3
    AND version = 0 AND tag_digest IS NULL AND unsettled_until IS NULL AND lease_owner IS NULL";

/// The index may be recorded, unless an entry may be listed no more since version $4 of the set. Rows of a subject's other
/// form are counted by a version of their own: then no change at all may have come.
pub(crate) const RECORDABLE: &str = "
    SELECT coalesce((SELECT version = $4 FROM subject WHERE upstream = $1 AND repository = $2 AND subject = $3), false)
        OR (NOT EXISTS (SELECT 1 FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3)
            AND NOT EXISTS (SELECT 1 FROM alias WHERE upstream = $1 AND repository = $2 AND carrier = $3)
            AND NOT EXISTS (SELECT 1 FROM referrer WHERE upstream = $1 AND repository = $2 AND subject = $3
                            AND state <> 'listed' AND version > $4))";

pub(crate) const SEE: &str = concat!(
    "UPDATE subject SET tag_digest = $5, tag_marked = $6, checked_at = ",
    now!(),
    ", tag_version = CASE WHEN $7::bigint IS NULL THEN least(tag_version, greatest(version - 1, 0))
                          WHEN version = $7 THEN greatest(tag_version, version)
                          ELSE tag_version END
     WHERE upstream = $1 AND repository = $2 AND subject = $3 AND tag_writes = $8 AND ",
    free!(),
    " RETURNING 1"
);

pub(crate) const FORGET: &str =
    "UPDATE subject SET tag_digest = NULL WHERE upstream = $1 AND repository = $2 AND subject = $3";

pub(crate) const MARK_STALE: &str = "
    UPDATE subject SET tag_digest = NULL, tag_writes = tag_writes + 1,
        tag_version = CASE WHEN version > 0 THEN least(tag_version, version - 1) ELSE tag_version END
    WHERE upstream = $1 AND repository = $2 AND subject = $3";

pub(crate) const NEED_NONE: &str = "
    UPDATE subject SET tag_version = greatest(tag_version, least($4, version)), tag_digest = NULL
    WHERE upstream = $1 AND repository = $2 AND subject = $3";

/// What is known to be in a tag stays: it is compared at the next write.
pub(crate) const NEED_ALL: &str = "
    UPDATE subject SET tag_version = version - 1
    WHERE upstream = $1 AND repository = $2 AND version > 0 AND tag_version >= version AND tag_digest IS NULL";

/// `None`: nothing is known.
pub(crate) fn state(row: &Row) -> Result<Option<TagState>, StoreError> {
    let Some(version) = get(row, 0)? else { return Ok(None) };
    Ok(Some(TagState {
        version,
        tag_version: get(row, 1)?,
        index: digest_or_null(row, 2)?,
        marked: get(row, 3)?,
        unsettled_until: time_or_null(row, 4)?,
        checked_at: time_or_null(row, 5)?,
        writes: get(row, 6)?,
        at: StoreTime(get(row, 7)?),
    }))
}

/// Takes the lease for so many microseconds: [`MAKE`], what was known before, and the moment if it was taken.
pub(crate) fn begin<'v>(subject: &'v ManifestKey, owner: &'v str, lease: i64, may_lack: bool) -> Batch<'v> {
    let [upstream, repository, digest] = key(subject);
    Batch::of(MAKE, values![upstream, repository, digest])
        .and(TAG, values![upstream, repository, digest])
        .and(TAKE, values![upstream, repository, digest, owner, lease, may_lack])
}

/// What [`begin`] gave; `None`: somebody else has the lease.
pub(crate) fn begun(rows: &[Vec<Row>]) -> Result<Option<TagState>, StoreError> {
    let Some(taken) = rows[2].first() else { return Ok(None) };
    let at = StoreTime(get(taken, 0)?);
    Ok(state(only(&rows[1])?)?.map(|before| TagState { writes: before.writes + 1, at, ..before }))
}

/// Nothing changes where this process has no lease any more: another may have written the tag since.
pub(crate) fn holds<'v>(
    batch: &mut Batch<'v>,
    subject: &'v ManifestKey,
    owner: &'v str,
    holds: &'v TagHolds,
    recordable: bool,
    now: StoreTime,
) {
    let [upstream, repository, digest] = key(subject);
    let index = holds.index.as_ref().filter(|_| recordable).map(|index| index.digest.as_str());
    batch.add(HOLDS, values![upstream, repository, digest, owner, holds.version, index, holds.marked, now.0]);
}

pub(crate) fn undo<'v>(batch: &mut Batch<'v>, subject: &'v ManifestKey, owner: &'v str, before: &'v TagState) {
    let [upstream, repository, digest] = key(subject);
    let index = before.index.as_ref().map(Digest::as_str);
    batch.add(UNDO, values![upstream, repository, digest, owner, before.tag_version, index, before.writes]);
}

pub(crate) fn end<'v>(
    batch: &mut Batch<'v>,
    subject: &'v ManifestKey,
    owner: &'v str,
    unsettled_until: Option<StoreTime>,
    release: bool,
) {
    let [upstream, repository, digest] = key(subject);
    let until = unsettled_until.map(|until| until.0);
    batch.add(END, values![upstream, repository, digest, owner, until, release]);
    batch.add(FORGET_SUBJECT, values![upstream, repository, digest]);
}

pub(crate) fn see<'v>(
    subject: &'v ManifestKey,
    owner: &'v str,
    look: &'v TagLook,
    recordable: bool,
    writes: i64,
) -> Vec<Value<'v>> {
    let [upstream, repository, digest] = key(subject);
    let index = look.index.as_ref().filter(|_| recordable).map(|index| index.digest.as_str());
    values![upstream, repository, digest, owner, index, look.marked, look.all_of, writes]
}
