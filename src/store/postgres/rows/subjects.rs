//! Sets of referrers: how often each changed, and what arrived last.

use crate::{
    referrers::ManifestKey,
    store::postgres::batch::{Batch, values},
};

/// Counts a change of the subject's set. Who refers to either form of a subject is of one set, and stands in the tags of
/// both.
const BUMP: &str = "
    INSERT INTO subject AS this (upstream, repository, subject, version)
    SELECT $1::text, $2::text, form, 1 FROM (
        SELECT $3::text AS form
        UNION SELECT carrier FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3
        UNION SELECT original FROM alias WHERE upstream = $1 AND repository = $2 AND carrier = $3) AS forms
    ON CONFLICT (upstream, repository, subject) DO UPDATE SET version = this.version + 1";

/// Forgets what the tags of a subject, in all its forms, resolve to.
const FORGET_INDEX: &str = "
    UPDATE subject SET tag_digest = NULL WHERE upstream = $1 AND repository = $2 AND subject IN (
        SELECT $3::text
        UNION SELECT carrier FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3
        UNION SELECT original FROM alias WHERE upstream = $1 AND repository = $2 AND carrier = $3)";

/// The next arrival: the clock's, but always after the one before. Not for a digest that keeps the one it has.
const ARRIVE: &str = "
    UPDATE subject SET last_arrival = greatest($4::bigint, last_arrival + 1)
    WHERE upstream = $1 AND repository = $2 AND subject = $3
    AND NOT EXISTS (SELECT 1 FROM referrer WHERE upstream = $1 AND repository = $2 AND digest = $5 AND subject = $3
                    AND state <> 'deleted')";

pub(crate) fn bump<'v>(batch: &mut Batch<'v>, beside: &'v ManifestKey, subject: &'v str) {
    batch.add(BUMP, values![&*beside.upstream, beside.repository.as_str(), subject]);
}

pub(crate) fn forget_index<'v>(batch: &mut Batch<'v>, beside: &'v ManifestKey, subject: &'v str) {
    batch.add(FORGET_INDEX, values![&*beside.upstream, beside.repository.as_str(), subject]);
}

/// `but`: whose arrival stays, if it has one.
pub(crate) fn arrive<'v>(batch: &mut Batch<'v>, beside: &'v ManifestKey, subject: &'v str, now: i64, but: &'v str) {
    batch.add(ARRIVE, values![&*beside.upstream, beside.repository.as_str(), subject, now, but]);
}
