//! What is in the file, for an operator to look at.

use std::{cmp::Reverse, collections::HashMap};

use rusqlite::{Connection, Error, Result, Row, named_params, params, types::Type};

use super::{
    columns::{digest, key, limit},
    referrers_tags,
};
use crate::{
    oci::{Repository, Via},
    referrers::ManifestKey,
    store::{
        COUNTED, Change, Counts, Found, ReferrerRow, RepositoryCount, StaleTag, StoreTime, SubjectCursor, SubjectRow,
        Unresolved, via,
    },
};

pub(crate) fn count(db: &Connection, upstream: &str, most: usize, newest: usize) -> Result<Counts> {
    // Both tables are read along an index that has the repositories one after the other: nothing is sorted.
    let mut referrers = db.prepare(
        "SELECT repository, count(*) FROM referrer INDEXED BY referrer_by_created
         WHERE upstream = ? AND state = 'listed' GROUP BY repository",
    )?;
    let listed: HashMap<String, i64> =
        referrers.query_map([upstream], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    let mut statement = db.prepare(
        "SELECT repository, count(*), sum(version > tag_version), max(last_arrival) FROM subject
         WHERE upstream = ? GROUP BY repository",
    )?;
    let mut rows = statement.query([upstream])?;
    let (mut repositories, mut all, mut subjects) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let repository: String = row.get(0)?;
        let referrers = listed.get(&repository).copied().unwrap_or_default();
        all += 1;
        let count = RepositoryCount {
            repository,
            subjects: row.get(1)?,
            referrers,
            stale: row.get(2)?,
            last_change: row.get(3)?,
        };
        subjects += count.subjects;
        repositories.push(count);
    }
    repositories.sort_by(|one, other| {
        (Reverse(one.referrers), &one.repository).cmp(&(Reverse(other.referrers), &other.repository))
    });
    repositories.truncate(most);
    let mut last = db.prepare(
        "SELECT repository, subject, last_arrival FROM subject WHERE upstream = ? AND last_arrival > 0
         ORDER BY last_arrival DESC LIMIT ?",
    )?;
    let newest = last.query_map(params![upstream, limit(newest)], |row| {
        Ok(Change { repository: row.get(0)?, subject: digest(row, 1)?, at: row.get(2)? })
    })?;
    let referrers = listed.values().sum();
    Ok(Counts { repositories, all, subjects, referrers, newest: newest.collect::<Result<_>>()? })
}

pub(crate) fn subjects_by_change(
    db: &Connection,
    (upstream, repository): (&str, &Repository),
    after: Option<&SubjectCursor>,
    count: usize,
) -> Result<Vec<SubjectRow>> {
    let mut types = db.prepare_cached(
        "SELECT artifact_type, count(*) FROM (
             SELECT artifact_type FROM referrer WHERE upstream = ? AND repository = ? AND subject = ? AND state = 'listed' LIMIT ?)
         GROUP BY 1 ORDER BY 2 DESC, 1",
    )?;
    let (last_arrival, subject) = after.map_or((i64::MAX, ""), |after| (after.last_change, after.subject.as_str()));
    db.prepare_cached(
        "SELECT subject, last_arrival, version > tag_version FROM subject
         WHERE upstream = :upstream AND repository = :repository
         AND (last_arrival < :last_arrival OR (last_arrival = :last_arrival AND subject > :subject))
         ORDER BY last_arrival DESC, subject LIMIT :limit",
    )?
    .query_map(
        named_params! {":upstream": upstream, ":repository": repository.as_str(), ":last_arrival": last_arrival,
        ":subject": subject, ":limit": limit(count)},
        |row| {
            let subject = digest(row, 0)?;
            let of = params![upstream, repository.as_str(), subject.as_str(), limit(COUNTED)];
            let types = types.query_map(of, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
            Ok(SubjectRow { subject, last_change: row.get(1)?, is_stale: row.get(2)?, types })
        },
    )?
    .collect()
}

pub(crate) fn referrers_of(db: &Connection, subject: &ManifestKey, count: usize) -> Result<Vec<ReferrerRow>> {
    let [upstream, repository, subject] = key(subject);
    db.prepare_cached(
        "SELECT digest, state = 'missing', via, arrival, descriptor, original FROM referrer
         WHERE upstream = ? AND repository = ? AND subject = ? AND state <> 'deleted'
         ORDER BY arrival DESC, digest LIMIT ?",
    )?
    .query_map(params![upstream, repository, subject, limit(count)], |row| {
        Ok(ReferrerRow {
            digest: digest(row, 0)?,
            is_missing: row.get(1)?,
            via: known_via(row, 2)?,
            arrival: row.get(3)?,
            descriptor: row.get(4)?,
            original: row.get(5)?,
        })
    })?
    .collect()
}

fn known_via(row: &Row<'_>, column: usize) -> Result<Via> {
    let text = row.get_ref(column)?.as_str()?;
    via::parse(text).ok_or_else(|| {
        Error::FromSqlConversionFailure(column, Type::Text, format!("{text:?} says not how a relation is known").into())
    })
}

pub(crate) fn stale_tags(db: &Connection, upstream: &str, count: usize, now: StoreTime) -> Result<Vec<StaleTag>> {
    let sql = concat!(
        "SELECT ",
        referrers_tags::columns!(),
        ", repository, subject, lease_owner IS NOT NULL AND lease_until > ?2
         FROM subject INDEXED BY subject_stale WHERE upstream = ?1 AND version > tag_version
         ORDER BY repository, subject LIMIT ?3"
    );
    db.prepare_cached(sql)?
        .query_map(params![upstream, now.0, limit(count)], |row| {
            Ok(StaleTag {
                tag: referrers_tags::state(row, now)?,
                repository: row.get(7)?,
                subject: digest(row, 8)?,
                is_being_written: row.get(9)?,
            })
        })?
        .collect()
}

pub(crate) fn unresolved(db: &Connection, upstream: &str, count: usize, now: StoreTime) -> Result<Vec<Unresolved>> {
    db.prepare_cached(
        "SELECT repository, digest, kind = 'delete', deadline, owner IS NULL OR deadline < ?2 FROM attempt
         WHERE upstream = ?1 GROUP BY id ORDER BY deadline LIMIT ?3",
    )?
    .query_map(params![upstream, now.0, limit(count)], |row| {
        Ok(Unresolved {
            repository: row.get(0)?,
            digest: digest(row, 1)?,
            is_delete: row.get(2)?,
            deadline: row.get(3)?,
            is_orphan: row.get(4)?,
        })
    })?
    .collect()
}

/// Goes from one repository to the next: an index has its digests in their order.
pub(crate) fn find(db: &Connection, upstream: &str, prefix: &str, count: usize) -> Result<Vec<Found>> {
    let mut next = db.prepare_cached("SELECT min(repository) FROM subject WHERE upstream = ? AND repository > ?")?;
    let mut within = db.prepare_cached(
        "SELECT subject FROM subject WHERE upstream = ?1 AND repository = ?2 AND subject >= ?3 AND subject < ?4
         UNION SELECT digest FROM referrer INDEXED BY referrer_by_digest
         WHERE upstream = ?1 AND repository = ?2 AND digest >= ?3 AND digest < ?4 AND state <> 'deleted' LIMIT ?5",
    )?;
    // Behind whatever begins with it: digests are ASCII.
    let end = format!("{prefix}\u{7f}");
    let (mut found, mut after) = (Vec::new(), String::new());
    while let Some(repository) = next.query_row([upstream, &after], |row| row.get::<_, Option<String>>(0))? {
        let left = limit(count - found.len());
        let digests = within.query_map(params![upstream, repository, prefix, end, left], |row| digest(row, 0))?;
        for digest in digests {
            found.push(Found { repository: repository.clone(), digest: digest? });
        }
        if found.len() >= count {
            break;
        }
        after = repository;
    }
    Ok(found)
}

/// Pages that are used or free; what the write-ahead log holds beside them comes and goes.
pub(crate) fn size(db: &Connection) -> Result<i64> {
    db.query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |row| row.get(0))
}
