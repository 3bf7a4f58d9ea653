//! What is read.

use rusqlite::{Connection, OptionalExtension, Result, ToSql, params};

use crate::{
    oci::Digest,
    referrers::{Cursor, ManifestKey, Order, Page, Query},
    store::{AttemptId, Orphan, Seen},
};

/// A digest's version, and whether an attempt on it other than `but` is open: one on a tag changes the tag alone. The version is the sum over its rows:
/// each only grows.
pub(super) fn look(db: &Connection, key: &ManifestKey, but: Option<AttemptId>) -> Result<Seen> {
    db.prepare_cached(
        "SELECT (SELECT coalesce(sum(version), 0) FROM referrer INDEXED BY referrer_by_digest
                 WHERE upstream = ?1 AND repository = ?2 AND digest = ?3),
                EXISTS (SELECT 1 FROM attempt
                        WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND tag IS NULL AND id IS NOT ?4)",
    )?
    .query_row(params![key.upstream, key.repository.as_str(), key.digest.as_str(), but.map(|id| id.0)], |row| {
        Ok(Seen { version: row.get(0)?, contended: row.get(1)? })
    })
}

pub(super) fn list(db: &Connection, query: &Query) -> Result<Page> {
    let (key, types) = (&query.subject, &query.artifact_types);
    let descriptor = if query.originals { "coalesce(original, descriptor)" } else { "descriptor" };
    let (after, order) = match query.order {
        Order::Arrival => (" AND (arrival, digest) > (?, ?)", "arrival, digest"),
        Order::Newest => (" AND (created, arrival, digest) < (?, ?, ?)", "created DESC, arrival DESC, digest DESC"),
    };
    let mut of_one = format!(
        "SELECT created, arrival, digest, {descriptor} FROM referrer AS this
         WHERE upstream = ? AND repository = ? AND subject = ? AND state = 'listed'"
    );
    if query.after.is_some() {
        of_one.push_str(after);
    }
    if !query.without_subject {
        of_one.push_str(" AND via = 'subject'");
    }
    if !types.is_empty() {
        let others = ", ?".repeat(types.len() - 1);
        of_one = format!("{of_one} AND artifact_type IN (?{others})");
    }
    if query.alias.is_some() {
        // Who refers to both forms, by a tag to one of them, stands in the list once: where it came first.
        let also = if query.without_subject { "" } else { " AND other.via = 'subject'" };
        of_one = format!(
            "{of_one} AND NOT EXISTS (
                 SELECT 1 FROM referrer AS other
                 WHERE other.upstream = this.upstream AND other.repository = this.repository
                 AND other.digest = this.digest AND other.subject = ? AND other.state = 'listed'{also}
                 AND (other.arrival, other.subject) < (this.arrival, this.subject))"
        );
    }
    let repository = key.repository.as_str();
    let cursor = query.after.as_ref().map(|cursor| (cursor.created, cursor.arrival, cursor.digest.as_str()));
    let subjects: Vec<&str> =
        [Some(&key.digest), query.alias.as_ref()].into_iter().flatten().map(Digest::as_str).collect();
    let mut values: Vec<&dyn ToSql> = Vec::with_capacity((7 + types.len()) * subjects.len());
    for (at, subject) in subjects.iter().enumerate() {
        values.extend([&key.upstream as &dyn ToSql, &repository, subject]);
        if let Some((created, arrival, digest)) = &cursor {
            if query.order == Order::Newest {
                values.push(created);
            }
            values.extend([arrival as &dyn ToSql, digest]);
        }
        values.extend(types.iter().map(|one| one as &dyn ToSql));
        if let [one, other] = &subjects[..] {
            values.push(if at == 0 { other } else { one });
        }
    }
    let mut sql = of_one.clone();
    if subjects.len() > 1 {
        // Each half comes in order by itself: they are merged, not sorted.
        sql = format!("{sql} UNION ALL {of_one}");
    }
    sql = format!("{sql} ORDER BY {order}");

    let mut page = Page::new(query);
    let mut last = (0, 0, String::new());
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(&*values)?;
    let mut listed = 0;
    while let Some(row) = rows.next()? {
        if listed == query.limit || !page.push(row.get_ref(3)?.as_bytes()?) {
            page.next = Some(Cursor { created: last.0, arrival: last.1, digest: digest(&last.2, 2)? });
            break;
        }
        listed += 1;
        last.0 = row.get(0)?;
        last.1 = row.get(1)?;
        last.2.clear();
        last.2.push_str(row.get_ref(2)?.as_str()?);
    }
    Ok(page)
}

pub(super) fn recorded(db: &Connection, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>> {
    newest(db, subject, limit, "")
}

pub(super) fn stated(db: &Connection, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>> {
    newest(db, subject, limit, "AND via <> 'tag'")
}

fn newest(db: &Connection, subject: &ManifestKey, limit: usize, only: &str) -> Result<Vec<Digest>> {
    let mut recorded = Vec::new();
    for state in ["listed", "missing"] {
        let left = i64::try_from(limit - recorded.len()).unwrap_or(i64::MAX);
        let mut newest = db.prepare_cached(&format!(
            "SELECT digest FROM referrer WHERE upstream = ? AND repository = ? AND subject = ? AND state = ? {only}
             ORDER BY arrival DESC, digest DESC LIMIT ?",
        ))?;
        let of = params![subject.upstream, subject.repository.as_str(), subject.digest.as_str(), state, left];
        for row in newest.query_map(of, |row| digest(row.get_ref(0)?.as_str()?, 0))? {
            recorded.push(row?);
        }
    }
    Ok(recorded)
}

pub(super) fn learned(db: &Connection, upstream: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT learned FROM upstream WHERE name = ?")?.query_row([upstream], |row| row.get(0)).optional()
}

pub(super) fn orphans(db: &Connection, subject: &ManifestKey, limit: usize, now: i64) -> Result<Vec<Orphan>> {
    // Nearly always there is none, and each query asks: the grouping below costs ten times this.
    let any = db
        .prepare_cached("SELECT 1 FROM attempt WHERE upstream = ? AND repository = ? AND subject = ? LIMIT 1")?
        .exists(params![subject.upstream, subject.repository.as_str(), subject.digest.as_str()])?;
    if !any {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT digest, tag, max(deadline) < ?4 AS expired FROM attempt INDEXED BY attempt_by_subject
         WHERE upstream = ?1 AND repository = ?2 AND subject = ?3 AND (owner IS NULL OR deadline < ?4)
         GROUP BY digest, tag ORDER BY expired DESC, random() LIMIT ?5",
    )?
    .query_map(params![subject.upstream, subject.repository.as_str(), subject.digest.as_str(), now, limit], |row| {
        Ok(Orphan { digest: digest(row.get_ref(0)?.as_str()?, 0)?, tag: row.get(1)?, expired: row.get(2)? })
    })?
    .collect()
}

pub(super) fn digest(text: &str, column: usize) -> Result<Digest> {
    Digest::parse(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
