//! That this process lives, said to the others; and what nobody needs any more.
//!
//! An attempt or a lease counts as long as its owner lives: who has not said so for a while has died, or can't reach the
//! database, and then can't end what it began.

use std::time::Duration;

use tokio_postgres::Row;

use super::{
    batch::{Batch, now, values},
    errors::Fault,
    session::Session,
};
use crate::store::{StoreError, kept};

/// How often it is said, and for how long it counts.
pub(super) const BEAT: Duration = Duration::from_secs(2);
const COUNTS: Duration = Duration::from_secs(8);

const LIVE: &str = concat!(
    "INSERT INTO process (owner, alive_until) VALUES ($1, ",
    now!(),
    " + $2) ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until"
);

const DIE: &str = "DELETE FROM process WHERE owner = $1";

/// How many rows are taken away at once: what others wait for takes no longer.
const SOME: i64 = 500;

/// What is kept for as long as something slow may still ask for it, and for how many microseconds that is ($1). Each goes
/// along an index by age; whoever works on a row goes before.
const EXPIRED: [(&str, i64); 5] = [
    (
        concat!(
            "DELETE FROM referrer WHERE (upstream, repository, digest, subject) IN (
                 SELECT upstream, repository, digest, subject FROM referrer
                 WHERE state = 'deleted' AND changed_at < ",
            now!(),
            " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        kept::DELETED,
    ),
    (
        concat!(
            "DELETE FROM tag WHERE (upstream, repository, tag) IN (
                 SELECT upstream, repository, tag FROM tag
                 WHERE digest IS NULL AND changed_at < ",
            now!(),
            " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        kept::DELETED,
    ),
    (
        concat!(
            "DELETE FROM attempt WHERE (upstream, repository, id, subject) IN (
                 SELECT upstream, repository, id, subject FROM attempt
                 WHERE subject = '' AND deadline < ",
            now!(),
            " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        0,
    ),
    (
        concat!(
            "DELETE FROM capability WHERE (upstream, repository, what) IN (
                 SELECT upstream, repository, what FROM capability
                 WHERE until < ",
            now!(),
            " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        0,
    ),
    (
        concat!(
            "DELETE FROM process WHERE owner IN (
                 SELECT owner FROM process WHERE alive_until < ",
            now!(),
            " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        kept::DELETED,
    ),
];

/// Says that this process lives.
pub(super) async fn live(session: &Session, owner: &str) -> Result<(), StoreError> {
    // Invariant: it is some seconds.
    let counts = i64::try_from(COUNTS.as_micros()).unwrap_or(i64::MAX);
    session.run(&[&Batch::of(LIVE, values![owner, counts])]).await.map(drop).map_err(Fault::into_error)
}

/// Says that it is about to end: what it leaves open is anybody's at once.
pub(super) async fn die(session: &Session, owner: &str) {
    // Without an answer it is forgotten a little later.
    drop(session.run(&[&Batch::of(DIE, values![owner])]).await);
}

/// Takes away what has expired, some of each kind. Whether there may be more.
pub(super) async fn sweep(session: &Session) -> Result<bool, StoreError> {
    let mut batch = Batch::default();
    for (sql, keep) in EXPIRED {
        batch.add(sql, values![keep, SOME]);
    }
    let swept = session.run(&[&batch]).await.map_err(Fault::into_error)?;
    // Invariant: it is a small number.
    let some = usize::try_from(SOME).unwrap_or(usize::MAX);
    Ok(swept.iter().any(|rows: &Vec<Row>| rows.len() >= some))
}
