//! What is in the database, read in pieces: for commands that go through all of it while others write.

use std::collections::HashSet;

use rusqlite::{Connection, Result, params};

use super::columns::{digest, key, limit};
use crate::{
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::{Recorded, StoreTime},
};

/// Goes from one repository to the next, whatever lies between.
pub(crate) fn repositories(db: &Connection, upstream: &str) -> Result<Vec<Repository>> {
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

pub(crate) fn recorded(
    db: &Connection,
    (upstream, repository): (&str, &Repository),
    which: Recorded,
    after: Option<&Digest>,
    count: usize,
    now: StoreTime,
) -> Result<Vec<Digest>> {
    // Each along an index, so that a piece costs what it gives.
    let sql = match which {
        Recorded::Subjects => "SELECT subject FROM subject WHERE subject > ?3",
        Recorded::Quiet(_) => "SELECT subject FROM subject WHERE subject > ?3 AND last_arrival < ?5",
        Recorded::Stale => {
            "SELECT subject FROM subject INDEXED BY subject_stale WHERE subject > ?3 AND version > tag_version"
        }
        Recorded::Unresolved => "SELECT DISTINCT subject FROM attempt WHERE subject > ?3",
        Recorded::Listed => {
            "SELECT DISTINCT digest FROM referrer INDEXED BY referrer_by_digest WHERE digest > ?3 AND state = 'listed'"
        }
        Recorded::Missing => {
            "SELECT DISTINCT digest FROM referrer INDEXED BY referrer_by_digest WHERE digest > ?3 AND state = 'missing'"
        }
    };
    let before = if let Recorded::Quiet(time) = which { now.before(time).0 } else { 0 };
    // ?5 counts for one of them; the others are given it all the same.
    let sql = format!("{sql} AND upstream = ?1 AND repository = ?2 AND ?5 = ?5 ORDER BY 1 LIMIT ?4");
    let after = after.map_or("", Digest::as_str);
    db.prepare_cached(&sql)?
        .query_map(params![upstream, repository.as_str(), after, limit(count), before], |row| digest(row, 0))?
        .collect()
}

/// The digests that a manifest refers to.
pub(crate) fn subjects(db: &Connection, referrer: &ManifestKey) -> Result<Vec<Digest>> {
    db.prepare_cached(
        "SELECT subject FROM referrer INDEXED BY referrer_by_digest WHERE upstream = ? AND repository = ? AND digest = ?
         AND state <> 'deleted'",
    )?
    .query_map(key(referrer), |row| digest(row, 0))?
    .collect()
}

/// Which of `digests` are listed as referrers of one of these subjects.
pub(crate) fn listed_among(db: &Connection, subjects: &[ManifestKey], digests: &[Digest]) -> Result<HashSet<Digest>> {
    let mut listed = db.prepare_cached(
        "SELECT 1 FROM referrer INDEXED BY referrer_by_digest
         WHERE upstream = ? AND repository = ? AND digest = ? AND subject = ? AND state = 'listed'",
    )?;
    let mut found = HashSet::new();
    for digest in digests {
        for subject in subjects {
            let [upstream, repository, subject] = key(subject);
            if listed.exists([upstream, repository, digest.as_str(), subject])? {
                found.insert(digest.clone());
                break;
            }
        }
    }
    Ok(found)
}
