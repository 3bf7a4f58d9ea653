//! What is known about upstreams as a whole.

use std::time::Duration;

use rusqlite::{Connection, Error, Result, params, types::Type};

use super::expiry;
use crate::{
    oci::Repository,
    store::{Capability, Pending, StoreTime},
};

pub(crate) fn capabilities(
    db: &Connection,
    upstream: &str,
    repository: Option<&Repository>,
    now: StoreTime,
) -> Result<Vec<Capability>> {
    let sql = "SELECT repository, what, until FROM capability WHERE upstream = ?1 AND until > ?2";
    let of_one = format!("{sql} AND repository = ?3 ORDER BY what");
    let of_all = format!("{sql} AND ?3 IS NULL ORDER BY repository, what");
    db.prepare_cached(if repository.is_some() { &of_one } else { &of_all })?
        .query_map(params![upstream, now.0, repository.map(Repository::as_str)], |row| {
            let name: String = row.get(0)?;
            let repository = Repository::parse(&name)
                .ok_or_else(|| Error::FromSqlConversionFailure(0, Type::Text, format!("{name:?} is no name").into()))?;
            let micros = row.get::<_, i64>(2)?.saturating_sub(now.0);
            // Invariant: the SQL gives what is yet to come.
            let remaining = Duration::from_micros(micros.unsigned_abs());
            Ok(Capability { repository, what: row.get(1)?, remaining })
        })?
        .collect()
}

pub(crate) fn learn(
    db: &Connection,
    (upstream, repository): (&str, &Repository),
    what: &str,
    until: StoreTime,
    now: StoreTime,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO capability (upstream, repository, what, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (upstream, repository, what) DO UPDATE SET until = ?4",
    )?
    .execute(params![upstream, repository.as_str(), what, until.0])?;
    expiry::drop_capabilities(db, now)
}

/// Goes from one name to the next, whatever lies between.
pub(crate) fn names(db: &Connection) -> Result<Vec<String>> {
    let mut next = db.prepare_cached("SELECT min(upstream) FROM subject WHERE upstream > ?")?;
    let (mut names, mut after) = (Vec::new(), String::new());
    while let Some(name) = next.query_row([&after], |row| row.get::<_, Option<String>>(0))? {
        names.push(name.clone());
        after = name;
    }
    Ok(names)
}

pub(crate) fn pending(db: &Connection, upstream: &str) -> Result<Pending> {
    let count = |sql: &str| db.prepare_cached(sql)?.query_row([upstream], |row| row.get(0));
    Ok(Pending {
        referrers_tags: count(
            "SELECT count(*) FROM subject INDEXED BY subject_stale WHERE upstream = ? AND version > tag_version",
        )?,
        writes: count("SELECT count(DISTINCT id) FROM attempt WHERE upstream = ?")?,
    })
}

pub(crate) fn check(db: &Connection, upstream: &str, now: StoreTime) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO upstream (name, checked_at) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET checked_at = ?2",
    )?
    .execute(params![upstream, now.0])
    .map(drop)
}
