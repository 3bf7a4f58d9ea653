//! What the upstream said, written down.

use super::{aliases, attempts, referrers, relation_tags};
use crate::{
    referrers::{ManifestKey, Relation},
    store::{Close, StoreTime, Verdict, postgres::batch::Batch},
};

/// The subjects of a digest's rows, by state, as [`referrers::ROWS`] gives them.
#[derive(Default)]
pub(crate) struct Rows {
    /// Of all, and of pushes on their way.
    pub(crate) all: Vec<String>,
    pub(crate) listed: Vec<String>,
    pub(crate) missing: Vec<String>,
}

/// Writes down what was said about a digest. `rows` are its own just now.
pub(crate) fn write<'v>(
    batch: &mut Batch<'v>,
    of: &'v ManifestKey,
    verdict: &'v Verdict,
    rows: &'v Rows,
    now: StoreTime,
) {
    match verdict {
        Verdict::Held(relation) => hold(batch, relation, now),
        Verdict::Seen => change_all(batch, of, &rows.missing, "listed", now),
        Verdict::Deleted => {
            referrers::delete(batch, of, &rows.all, now);
            relation_tags::take_off(batch, of, now);
            aliases::forget(batch, of);
        }
        Verdict::Absent => {
            referrers::drop_missing(batch, of, now);
            change_all(batch, of, &rows.listed, "missing", now);
        }
    }
}

/// Lists a relation, and keeps both forms of its referrer.
pub(crate) fn hold<'v>(batch: &mut Batch<'v>, relation: &'v Relation, now: StoreTime) {
    referrers::hold(batch, relation, now);
    keep_forms(batch, relation);
}

pub(crate) fn keep_forms<'v>(batch: &mut Batch<'v>, relation: &'v Relation) {
    if let Some(pushed) = &relation.pushed {
        aliases::keep(batch, &relation.referrer, pushed);
    }
}

fn change_all<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, subjects: &'v [String], to: &'v str, now: StoreTime) {
    for subject in subjects {
        referrers::change_state(batch, of, subject, to, now);
    }
}

/// Closes attempts on a digest.
pub(crate) fn close<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, close: Close) {
    match close {
        Close::Nothing => {}
        Close::One(id) => attempts::forget(batch, of, id),
        Close::GiveUp(id) => attempts::release(batch, of, id),
        Close::Past(moment) => attempts::forget_past(batch, of, moment),
    }
}
