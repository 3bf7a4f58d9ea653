//! What is on record, read in pieces: for commands that go through all of it while others write.

use rusqlite::{Connection, Result, params};

use super::reads::digest;
use crate::{
    oci::{Digest, Repository},
    store::Known,
};

/// Goes from one repository to the next, whatever lies between.
pub(super) fn repositories(db: &Connection, upstream: &str) -> Result<Vec<Repository>> {
    let mut next = db.prepare_cached(
        "SELECT min(repository) FROM (
             SELECT min(repository) AS repository FROM subject WHERE upstream = ?1 AND repository > ?2
             UNION ALL SELECT min(repository) FROM attempt WHERE upstream = ?1 AND repository > ?2)",
    )?;
    let (mut found, mut after) = (Vec::new(), String::new());
    while let Some(repository) = next.query_row([upstream, &after], |row| row.get::<_, Option<String>>(0))? {
        // What was not written by backref is no name.
        found.extend(Repository::parse(&repository));
        after = repository;
    }
    Ok(found)
}

pub(super) fn known(
    db: &Connection,
    upstream: &str,
    repository: &Repository,
    what: Known,
    after: Option<&Digest>,
    limit: usize,
) -> Result<Vec<Digest>> {
    // Each along an index, so that a piece costs what it gives.
    let sql = match what {
        Known::Subjects => "SELECT subject FROM subject WHERE subject > ?3",
        Known::Quiet { .. } => "SELECT subject FROM subject WHERE subject > ?3 AND last_arrival < ?5",
        Known::Owed => {
            "SELECT subject FROM subject INDEXED BY subject_owed WHERE subject > ?3 AND version > tag_version"
        }
        Known::Open => "SELECT DISTINCT subject FROM attempt WHERE subject > ?3",
        Known::Listed => "SELECT DISTINCT digest FROM referrer WHERE digest > ?3 AND state = 'listed'",
        Known::Missing => "SELECT DISTINCT digest FROM referrer WHERE digest > ?3 AND state = 'missing'",
    };
    let before = if let Known::Quiet { since } = what { since } else { 0 };
    let after = after.map_or("", Digest::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // ?5 counts for one of them; the others are given it all the same.
    let sql = format!("{sql} AND upstream = ?1 AND repository = ?2 AND ?5 = ?5 ORDER BY 1 LIMIT ?4");
    db.prepare_cached(&sql)?
        .query_map(params![upstream, repository.as_str(), after, limit, before], |row| {
            digest(row.get_ref(0)?.as_str()?, 0)
        })?
        .collect()
}
