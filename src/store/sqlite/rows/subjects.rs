//! Sets of referrers: how often each changed, and what arrived last.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{
    columns::{key, sibling},
    forms,
};
use crate::{referrers::ManifestKey, store::StoreTime};

/// Counts a change of the subject's set, and gives the set's new version. Who refers to either form of a subject is of one
/// set, and stands in the tags of both.
pub(crate) fn bump(db: &Connection, beside: &ManifestKey, subject: &str) -> Result<i64> {
    if let Some(other) = forms::other(db, beside, subject)? {
        bump_one(db, beside, &other)?;
    }
    bump_one(db, beside, subject)
}

/// The version of a subject's set; 0 where there is none.
pub(crate) fn version(db: &Connection, subject: &ManifestKey) -> Result<i64> {
    db.prepare_cached("SELECT version FROM subject WHERE upstream = ? AND repository = ? AND subject = ?")?
        .query_row(key(subject), |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Forgets what the tags of a subject, in both its forms, resolve to.
pub(crate) fn forget_index(db: &Connection, beside: &ManifestKey, subject: &str) -> Result<()> {
    let other = forms::other(db, beside, subject)?;
    for form in other.as_deref().into_iter().chain([subject]) {
        db.prepare_cached(
            "UPDATE subject SET tag_digest = NULL WHERE upstream = ? AND repository = ? AND subject = ?",
        )?
        .execute(sibling(beside, form))?;
    }
    Ok(())
}

/// Two digests are forms of one manifest from now on, so that who refers to either is of one set.
pub(crate) fn join(db: &Connection, beside: &ManifestKey, forms: [&str; 2]) -> Result<()> {
    let known = db
        .prepare_cached("SELECT 1 FROM subject WHERE upstream = ? AND repository = ? AND subject IN (?, ?)")?
        .exists([&*beside.upstream, beside.repository.as_str(), forms[0], forms[1]])?;
    for form in forms.into_iter().filter(|_| known) {
        bump_one(db, beside, form)?;
    }
    Ok(())
}

fn bump_one(db: &Connection, beside: &ManifestKey, subject: &str) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO subject (upstream, repository, subject, version) VALUES (?, ?, ?, 1)
         ON CONFLICT (upstream, repository, subject) DO UPDATE SET version = version + 1 RETURNING version",
    )?
    .query_row(sibling(beside, subject), |row| row.get(0))
}

/// The next arrival: the clock's, but always after the one before. Follows a [`bump`], which makes the row.
pub(crate) fn arrive(db: &Connection, beside: &ManifestKey, subject: &str, now: StoreTime) -> Result<i64> {
    let [upstream, repository, subject] = sibling(beside, subject);
    db.prepare_cached(
        "UPDATE subject SET last_arrival = CASE WHEN last_arrival < ?1 THEN ?1 ELSE last_arrival + 1 END
         WHERE upstream = ?2 AND repository = ?3 AND subject = ?4 RETURNING last_arrival",
    )?
    .query_row(params![now.0, upstream, repository, subject], |row| row.get(0))
}
