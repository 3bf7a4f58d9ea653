//! One connection, with the statements that were prepared on it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, TryStreamExt, future::join_all};
use tokio_postgres::{
    Client, Row, Statement,
    types::{FromSql, ToSql},
};

use super::{
    batch::{Batch, Value},
    errors::Fault,
};
use crate::store::StoreError;

/// How long a trip may take: the server ends a statement before that (`connect.rs`), so that only a link or a machine that
/// has gone takes so long.
const PATIENCE: Duration = Duration::from_secs(15);

/// One connection.
pub(super) struct Session {
    client: Client,
    statements: Mutex<HashMap<Box<str>, Statement>>,
    /// Nothing can be said about its state: a transaction may be open on it, or an answer under way.
    unclear: AtomicBool,
}

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Self { client, statements: Mutex::default(), unclear: AtomicBool::new(false) }
    }

    /// Whether it can be given to somebody else.
    pub(super) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.unclear.load(Ordering::Relaxed)
    }

    /// From now until it is [`Session::settled`], whoever leaves it leaves it unclear.
    pub(super) fn unsettled(&self) {
        self.unclear.store(true, Ordering::Relaxed);
    }

    pub(super) fn settled(&self) {
        self.unclear.store(false, Ordering::Relaxed);
    }

    /// Sends all statements of all batches at once, and gives the rows of each.
    pub(super) async fn run(&self, batches: &[&Batch<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        self.within(async {
            let mut sent = Vec::new();
            for (sql, values) in batches.iter().flat_map(|batch| &batch.0) {
                sent.push(self.query(self.prepared(sql).await?, values));
            }
            // Each is sent when it is first polled: in their order. Once one has failed, so do those behind it, by that alone.
            join_all(sent).await.into_iter().collect::<Result<_, _>>()
        })
        .await
    }

    /// The same of what commits nothing: it can be done again where the connection turns out to be lost.
    pub(super) async fn ask(&self, batches: &[&Batch<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        self.run(batches).await.map_err(|fault| match fault {
            Fault::Store(error) if self.client.is_closed() => Fault::Lost(error),
            fault => fault,
        })
    }

    async fn query(&self, statement: Statement, values: &[Value<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.query(&statement, &values).await
    }

    /// The rows of one statement as they come.
    pub(super) async fn stream(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<impl Stream<Item = Result<Row, Fault>> + Send + use<>, Fault> {
        let rows = self.within(async { self.client.query_raw(&self.prepared(sql).await?, values).await }).await?;
        Ok(rows.map_err(Fault::from))
    }

    /// The next of them.
    pub(super) async fn next(
        &self,
        rows: &mut (impl Stream<Item = Result<Row, Fault>> + Send + Unpin),
    ) -> Result<Option<Row>, Fault> {
        self.in_time(rows.try_next()).await
    }

    async fn within<T>(&self, trip: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        self.in_time(async { trip.await.map_err(Fault::from) }).await
    }

    async fn in_time<T>(&self, trip: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let Ok(result) = tokio::time::timeout(PATIENCE, trip).await else {
            self.unsettled();
            return Err(StoreError::Unusable(format!("it did not answer within {PATIENCE:?}")).into());
        };
        result
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.into(), statement.clone());
        Ok(statement)
    }

    pub(super) async fn batch_execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// The two columns of the one row of a statement without values.
    pub(super) async fn one<A, B>(&self, sql: &str) -> Result<(A, B), tokio_postgres::Error>
    where
        A: for<'r> FromSql<'r>,
        B: for<'r> FromSql<'r>,
    {
        let row = self.client.query_one(sql, &[]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}
