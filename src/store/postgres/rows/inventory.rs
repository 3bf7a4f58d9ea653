//! What is in the database, for an operator to look at.

use tokio_postgres::Row;

use super::{
    columns::{digest, get},
    referrers_tags,
};
use crate::store::{
    Change, Found, ReferrerRow, RepositoryCount, StaleTag, StoreError, SubjectRow, Unresolved,
    postgres::{batch::now, errors::malformed},
    via,
};

/// Up to $2, and how many there are.
pub(crate) const COUNT: &str = "
    WITH subjects AS (
        SELECT repository, count(*) AS subjects, count(*) FILTER (WHERE version > tag_version) AS stale,
               max(last_arrival) AS last_arrival
        FROM subject WHERE upstream = $1 GROUP BY repository),
    referrers AS (
        SELECT repository, count(*) AS referrers FROM referrer WHERE upstream = $1 AND state = 'listed' GROUP BY repository)
    SELECT repository, subjects, coalesce(referrers, 0), stale, last_arrival, (SELECT count(*) FROM subjects),
           (SELECT coalesce(sum(subjects), 0)::bigint FROM subjects), (SELECT coalesce(sum(referrers), 0)::bigint FROM referrers)
    FROM subjects LEFT JOIN referrers USING (repository) ORDER BY 3 DESC, 1 LIMIT $2";

pub(crate) fn repository(row: &Row) -> Result<RepositoryCount, StoreError> {
    Ok(RepositoryCount {
        repository: get(row, 0)?,
        subjects: get(row, 1)?,
        referrers: get(row, 2)?,
        stale: get(row, 3)?,
        last_change: get(row, 4)?,
    })
}

pub(crate) const NEWEST: &str = "
    SELECT repository, subject, last_arrival FROM subject WHERE upstream = $1 AND last_arrival > 0
    ORDER BY last_arrival DESC LIMIT $2";

pub(crate) fn arrival(row: &Row) -> Result<Change, StoreError> {
    Ok(Change { repository: get(row, 0)?, subject: digest(row, 1)?, at: get(row, 2)? })
}

/// A row for each subject and artifact type; without a type and a number for a subject that has no listed referrers.
pub(crate) const SUBJECTS: &str = "
    SELECT this.subject, this.last_arrival, this.is_stale, kind.artifact_type, kind.number
    FROM (SELECT subject, last_arrival, version > tag_version AS is_stale FROM subject
          WHERE upstream = $1 AND repository = $2
          AND (last_arrival < $3 OR (last_arrival = $3 AND subject > $4))
          ORDER BY last_arrival DESC, subject LIMIT $5) AS this
    LEFT JOIN LATERAL (
        SELECT artifact_type, count(*) AS number FROM (
            SELECT artifact_type FROM referrer WHERE upstream = $1 AND repository = $2 AND referrer.subject = this.subject
            AND state = 'listed' LIMIT $6) AS first
        GROUP BY 1) AS kind ON true
    ORDER BY this.last_arrival DESC, this.subject, kind.number DESC, kind.artifact_type";

pub(crate) fn subjects(rows: &[Row]) -> Result<Vec<SubjectRow>, StoreError> {
    let mut subjects: Vec<SubjectRow> = Vec::new();
    for row in rows {
        let subject = digest(row, 0)?;
        if subjects.last().is_none_or(|last| last.subject != subject) {
            let (last_change, is_stale) = (get(row, 1)?, get(row, 2)?);
            subjects.push(SubjectRow { subject, last_change, is_stale, types: Vec::new() });
        }
        if let (Some(last), Some(_)) = (subjects.last_mut(), get::<Option<i64>>(row, 4)?) {
            last.types.push((get(row, 3)?, get(row, 4)?));
        }
    }
    Ok(subjects)
}

pub(crate) const REFERRERS: &str = "
    SELECT digest, state = 'missing', via, arrival, descriptor, original FROM referrer
    WHERE upstream = $1 AND repository = $2 AND subject = $3 AND state <> 'deleted'
    ORDER BY arrival DESC, digest LIMIT $4";

pub(crate) fn referrer(row: &Row) -> Result<ReferrerRow, StoreError> {
    let text: &str = get(row, 2)?;
    Ok(ReferrerRow {
        digest: digest(row, 0)?,
        is_missing: get(row, 1)?,
        via: via::parse(text).ok_or_else(|| malformed(&format!("{text:?} says not how a relation is known")))?,
        arrival: get(row, 3)?,
        descriptor: get(row, 4)?,
        original: get(row, 5)?,
    })
}

pub(crate) const STALE: &str = concat!(
    "SELECT ",
    referrers_tags::columns!(),
    ", repository, subject, lease_owner IS NOT NULL AND lease_until > ",
    now!(),
    " AND EXISTS (SELECT 1 FROM process WHERE owner = lease_owner AND alive_until >= ",
    now!(),
    ") FROM subject WHERE upstream = $1 AND version > tag_version ORDER BY repository, subject LIMIT $2"
);

pub(crate) fn stale(row: &Row) -> Result<StaleTag, StoreError> {
    Ok(StaleTag {
        tag: referrers_tags::state(row)?.unwrap_or_default(),
        repository: get(row, 8)?,
        subject: digest(row, 9)?,
        is_being_written: get(row, 10)?,
    })
}

pub(crate) const UNRESOLVED: &str = concat!(
    "SELECT repository, digest, kind = 'delete', deadline, owner IS NULL OR deadline < ",
    now!(),
    " OR NOT EXISTS (SELECT 1 FROM process WHERE process.owner = attempt.owner AND alive_until >= ",
    now!(),
    ") FROM (SELECT DISTINCT ON (repository, id) repository, digest, kind, deadline, owner FROM attempt
             WHERE upstream = $1 ORDER BY repository, id) AS attempt ORDER BY deadline LIMIT $2"
);

pub(crate) fn unresolved(row: &Row) -> Result<Unresolved, StoreError> {
    Ok(Unresolved {
        repository: get(row, 0)?,
        digest: digest(row, 1)?,
        is_delete: get(row, 2)?,
        deadline: get(row, 3)?,
        is_orphan: get(row, 4)?,
    })
}

/// Goes from one repository to the next: an index has its digests in their order. From $2 on, before $3.
pub(crate) const FIND: &str = "
    SELECT this.repository, found.digest FROM repository AS this CROSS JOIN LATERAL (
        (SELECT subject AS digest FROM subject WHERE upstream = $1 AND subject.repository = this.repository
         AND subject >= $2 AND subject < $3 LIMIT $4)
        UNION
        (SELECT digest FROM referrer WHERE upstream = $1 AND referrer.repository = this.repository
         AND digest >= $2 AND digest < $3 AND state <> 'deleted' LIMIT $4)) AS found
    WHERE this.upstream = $1 ORDER BY 1, 2 LIMIT $4";

pub(crate) fn found(row: &Row) -> Result<Found, StoreError> {
    Ok(Found { repository: get(row, 0)?, digest: digest(row, 1)? })
}

pub(crate) const SIZE: &str = "SELECT pg_database_size(current_database())";
