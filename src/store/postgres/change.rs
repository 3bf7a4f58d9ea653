//! Changes of a repository: one after the other, whichever process makes them, each all or nothing.
//!
//! The lock is the repository's row. The first trip begins the transaction, takes the lock and reads; the last writes and
//! commits. What needs no answer in between is one trip.

use tokio_postgres::Row;

use super::{
    batch::{Batch, now, values},
    database::PostgresStore,
    errors::Fault,
    lease::Lease,
    rounds::retried,
    rows::columns::{get, only},
};
use crate::{
    locks::Locked,
    oci::Repository,
    step::step,
    store::{StoreError, StoreTime},
};

const LOCK: &str = concat!(
    "INSERT INTO repository AS this (upstream, repository) VALUES ($1, $2)
     ON CONFLICT (upstream, repository) DO UPDATE SET writes = this.writes + 1 RETURNING ",
    now!()
);

/// One process has one change of a repository under way: the others wait here, and hold no connection.
pub(super) type Turn = Locked<(Box<str>, Repository)>;

/// A change under way.
pub(super) struct Change {
    session: Lease,
    _turn: Turn,
    /// When it began, by the database's clock.
    pub(super) now: StoreTime,
}

impl PostgresStore {
    /// Begins a change, and sends `first` with it.
    pub(super) async fn begin_change(
        &self,
        upstream: &str,
        repository: &Repository,
        first: &Batch<'_>,
    ) -> Result<(Change, Vec<Vec<Row>>), Fault> {
        let turn = self.turn(upstream, repository).await;
        let session = self.session().await?;
        session.unsettled();
        let mut rows = session.ask(&[&begin(upstream, repository), first]).await?;
        let found = rows.split_off(2);
        let now = StoreTime(get(only(&rows[1])?, 0)?);
        Ok((Change { session, _turn: turn, now }, found))
    }

    /// A change that needs no answer in between: one trip. Gives the rows of each statement.
    pub(super) async fn change(
        &self,
        upstream: &str,
        repository: &Repository,
        batch: &Batch<'_>,
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        retried!(self.change_once(upstream, repository, batch))
    }

    async fn change_once(
        &self,
        upstream: &str,
        repository: &Repository,
        batch: &Batch<'_>,
    ) -> Result<Vec<Vec<Row>>, Fault> {
        let _turn = self.turn(upstream, repository).await;
        let session = self.session().await?;
        session.unsettled();
        step("commit-due");
        let mut rows = session.run(&[&begin(upstream, repository), batch, &commit()]).await?;
        step("committed");
        session.settled();
        rows.pop();
        Ok(rows.split_off(2))
    }

    async fn turn(&self, upstream: &str, repository: &Repository) -> Turn {
        self.turns.lock(&(upstream.into(), repository.clone())).await
    }
}

impl Change {
    /// Another trip in between.
    pub(super) async fn run(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Row>>, Fault> {
        self.session.ask(&[batch]).await
    }

    /// Sends the last statements, and commits.
    pub(super) async fn commit(self, last: &Batch<'_>) -> Result<(), Fault> {
        step("commit-due");
        self.session.run(&[last, &commit()]).await?;
        step("committed");
        self.session.settled();
        Ok(())
    }
}

fn begin<'v>(upstream: &'v str, repository: &'v Repository) -> Batch<'v> {
    Batch::of("BEGIN", Vec::new()).and(LOCK, values![upstream, repository.as_str()])
}

fn commit() -> Batch<'static> {
    Batch::of("COMMIT", Vec::new())
}
