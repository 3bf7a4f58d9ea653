//! What the upstream said, written down.

use tokio_postgres::Row;

use super::{
    aliases, attempts,
    columns::{get, key, only},
    referrers, relation_tags, seen,
};
use crate::{
    referrers::{ManifestKey, Relation},
    store::{
        Close, Seen, StoreError, StoreTime, Verdict,
        postgres::{
            batch::{Batch, values},
            change::Change,
            errors::Fault,
        },
    },
};

/// The subjects of a digest's rows, by state.
#[derive(Default)]
pub(crate) struct Rows {
    /// Of all, and of pushes on their way.
    all: Vec<String>,
    listed: Vec<String>,
    missing: Vec<String>,
}

/// Asks for what has to be known before a verdict is written down: its digest's version, and the digest's rows where they are
/// to be changed.
pub(crate) fn look<'v>(batch: &mut Batch<'v>, of: &'v ManifestKey, verdict: &Verdict, close: Close) {
    batch.add(seen::LOOK, seen::look(of, close.asked()));
    if has_rows(verdict) {
        let [upstream, repository, digest] = key(of);
        batch.add(referrers::ROWS, values![upstream, repository, digest]);
    }
}

/// What [`look`] has found: the answers to its statements come next in `found`.
pub(crate) fn looked(found: &mut std::vec::IntoIter<Vec<Row>>, verdict: &Verdict) -> Result<(Seen, Rows), StoreError> {
    let seen = seen::seen(only(&found.next().unwrap_or_default())?)?;
    let mut rows = Rows::default();
    let answer = if has_rows(verdict) { found.next() } else { None };
    for row in answer.unwrap_or_default() {
        let subject: String = get(&row, 0)?;
        match get(&row, 1)? {
            "listed" => rows.listed.push(subject.clone()),
            "missing" => rows.missing.push(subject.clone()),
            _ => {}
        }
        rows.all.push(subject);
    }
    Ok((seen, rows))
}

/// One that lists a relation asks for no others.
fn has_rows(verdict: &Verdict) -> bool {
    !matches!(verdict, Verdict::Held(_))
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

/// The same; where it settles an earlier request, and the relation is listed as it is, the set doesn't change.
pub(crate) async fn hold_or_renew<'v>(
    change: &Change,
    batch: &mut Batch<'v>,
    relation: &'v Relation,
    close: Close,
) -> Result<(), Fault> {
    let renewed = matches!(close, Close::Past(_))
        && !change.run(&Batch::of(referrers::RENEW, referrers::renew(relation))).await?[0].is_empty();
    if renewed {
        attempts::find_deletes_by(batch, &relation.referrer, relation.subject.as_str());
        keep_forms(batch, relation);
    } else {
        hold(batch, relation, change.now);
    }
    Ok(())
}

fn keep_forms<'v>(batch: &mut Batch<'v>, relation: &'v Relation) {
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
