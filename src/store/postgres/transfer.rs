//! [`Transfer`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    batch::{Batch, Value},
    database::PostgresStore,
    errors::{Fault, malformed},
    rows::columns::{get, limit},
};
use crate::{
    oci::Repository,
    store::{Cell, Kind, RawRow, StoreError, Table, Transfer},
};

#[async_trait]
impl Transfer for PostgresStore {
    async fn rows(&self, of: Table, after: Option<&RawRow>, most: usize) -> Result<Vec<RawRow>, StoreError> {
        let (columns, key) = (of.names(of.columns().len()), of.names(of.key()));
        let behind = if after.is_some() { format!("WHERE ({key}) > ({})", marks(of.key())) } else { String::new() };
        // The limit comes last, whatever stands before it.
        let last = after.map_or(0, |_| of.key()) + 1;
        let sql = format!("SELECT {columns} FROM {} {behind} ORDER BY {key} LIMIT ${last}", of.name());
        let mut values = after.map(|row| values(of, row, of.key())).unwrap_or_default();
        values.push(limit(most).into());
        self.read_any(&sql, &values).await?.iter().map(|row| raw(of, row)).collect()
    }

    async fn last_row(&self, of: Table) -> Result<Option<RawRow>, StoreError> {
        let columns = of.names(of.columns().len());
        let order = of.names(of.key()).replace(", ", " DESC, ");
        let sql = format!("SELECT {columns} FROM {} ORDER BY {order} DESC LIMIT 1", of.name());
        self.read_any(&sql, &[]).await?.first().map(|row| raw(of, row)).transpose()
    }

    async fn put_rows(&self, of: Table, rows: Vec<RawRow>) -> Result<(), StoreError> {
        if of == Table::Alias && !rows.is_empty() {
            self.aliased.note();
        }
        let put = put(of);
        let mut rest = &rows[..];
        while let Some(first) = rest.first() {
            // Those of one repository: the first two columns say it.
            let count = rest.iter().take_while(|row| row.0[..2] == first.0[..2]).count();
            let (some, others) = rest.split_at(count);
            let [Cell::Text(upstream), Cell::Text(repository), ..] = &first.0[..] else {
                return Err(malformed("no upstream or repository"));
            };
            let repository = Repository::parse(repository).ok_or_else(|| malformed("no name of a repository"))?;
            let mut batch = Batch::default();
            for row in some {
                batch.add(put, values(of, row, of.columns().len()));
            }
            self.change(upstream, &repository, &batch).await?;
            rest = others;
        }
        Ok(())
    }
}

impl PostgresStore {
    /// The rows of a statement that is made for this once.
    async fn read_any(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let session = self.session().await?;
        session.query_any(sql, values).await.map_err(Fault::into_error)
    }
}

fn marks(count: usize) -> String {
    let marks: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    marks.join(", ")
}

/// Statements that a batch can hold: each is what `INSERT` over all columns of its table is, in their order.
fn put(of: Table) -> &'static str {
    match of {
        Table::Subject => {
            "INSERT INTO subject (upstream, repository, subject, last_arrival, version, tag_version, tag_digest, tag_marked,
                                  unsettled_until, checked_at, tag_writes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (upstream, repository, subject) DO UPDATE SET
                 last_arrival = excluded.last_arrival, version = excluded.version, tag_version = excluded.tag_version,
                 tag_digest = excluded.tag_digest, tag_marked = excluded.tag_marked,
                 unsettled_until = excluded.unsettled_until, checked_at = excluded.checked_at,
                 tag_writes = excluded.tag_writes"
        }
        Table::Referrer => {
            "INSERT INTO referrer (upstream, repository, digest, subject, arrival, state, via, artifact_type, created,
                                   descriptor, original, changed_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (upstream, repository, digest, subject) DO UPDATE SET
                 arrival = excluded.arrival, state = excluded.state, via = excluded.via,
                 artifact_type = excluded.artifact_type, created = excluded.created, descriptor = excluded.descriptor,
                 original = excluded.original, changed_at = excluded.changed_at, version = excluded.version"
        }
        Table::Attempt => {
            "INSERT INTO attempt (upstream, repository, id, subject, kind, digest, tag, deadline)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (upstream, repository, id, subject) DO UPDATE SET
                 kind = excluded.kind, digest = excluded.digest, tag = excluded.tag, deadline = excluded.deadline"
        }
        Table::Tag => {
            "INSERT INTO tag (upstream, repository, tag, subject, digest, changed_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (upstream, repository, tag) DO UPDATE SET
                 subject = excluded.subject, digest = excluded.digest, changed_at = excluded.changed_at,
                 version = excluded.version"
        }
        Table::Alias => {
            "INSERT INTO alias (upstream, repository, original, carrier, carrier_size, media_type, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (upstream, repository, original) DO UPDATE SET
                 carrier = excluded.carrier, carrier_size = excluded.carrier_size, media_type = excluded.media_type,
                 bytes = excluded.bytes"
        }
        Table::Capability => {
            "INSERT INTO capability (upstream, repository, what, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (upstream, repository, what) DO UPDATE SET until = excluded.until"
        }
    }
}

/// The first `count` values of a row.
fn values(of: Table, row: &RawRow, count: usize) -> Vec<Value<'_>> {
    row.0[..count].iter().zip(of.columns()).map(|(cell, (_, kind))| value(cell, *kind)).collect()
}

fn value(cell: &Cell, kind: Kind) -> Value<'_> {
    match (cell, kind) {
        (Cell::Number(number), Kind::Flag) => Value::Flag(*number != 0),
        (Cell::Number(number), _) => Value::Number(Some(*number)),
        (Cell::Text(text), _) => Value::Text(Some(text)),
        (Cell::Bytes(bytes), _) => Value::Bytes(bytes),
        (Cell::Null, Kind::Number) => Value::Number(None),
        (Cell::Null, _) => Value::Text(None),
    }
}

fn raw(of: Table, row: &Row) -> Result<RawRow, StoreError> {
    let cell = |(column, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Text => get::<Option<String>>(row, column)?.map_or(Cell::Null, Cell::Text),
            Kind::Number => get::<Option<i64>>(row, column)?.map_or(Cell::Null, Cell::Number),
            Kind::Flag => Cell::Number(i64::from(get::<bool>(row, column)?)),
            Kind::Bytes => Cell::Bytes(get(row, column)?),
        })
    };
    of.columns().iter().enumerate().map(cell).collect::<Result<_, _>>().map(RawRow)
}
