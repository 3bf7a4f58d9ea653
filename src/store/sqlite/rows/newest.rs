//! A few of a subject's referrers, the newest first: by whom a caller's rights are found out.

use std::ops::ControlFlow;

use rusqlite::{Connection, Result, params};

use super::{
    columns::{digest, key, limit},
    merge::merge,
};
use crate::{oci::Digest, referrers::ManifestKey};

/// Of several subjects: listed before missing, each once.
pub(crate) fn candidates(db: &Connection, subjects: &[ManifestKey], count: usize) -> Result<Vec<Digest>> {
    newest(db, subjects, count, "")
}

/// Of one subject, only those whose own bytes name the subject.
pub(crate) fn stated(db: &Connection, subject: &ManifestKey, count: usize) -> Result<Vec<Digest>> {
    newest(db, std::slice::from_ref(subject), count, "AND via <> 'tag'")
}

fn newest(db: &Connection, subjects: &[ManifestKey], count: usize, only: &str) -> Result<Vec<Digest>> {
    let mut found: Vec<Digest> = Vec::new();
    for state in ["listed", "missing"] {
        if found.len() == count {
            break;
        }
        let sql = format!(
            "SELECT arrival, digest FROM referrer WHERE upstream = ? AND repository = ? AND subject = ? AND state = ?
             {only} ORDER BY arrival DESC, digest DESC LIMIT ?",
        );
        let mut statements = subjects.iter().map(|_| db.prepare_cached(&sql)).collect::<Result<Vec<_>>>()?;
        let mut parts = Vec::with_capacity(subjects.len());
        for (statement, subject) in statements.iter_mut().zip(subjects) {
            let [upstream, repository, subject] = key(subject);
            parts.push(statement.query(params![upstream, repository, subject, state, limit(count)])?);
        }
        let order = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        merge(parts, order, |row| {
            let digest = digest(row, 1)?;
            if !found.contains(&digest) {
                found.push(digest);
            }
            Ok(if found.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    Ok(found)
}
