//! [`Transfer`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    batch::{Batch, Value},
    database::PostgresStore,
    errors::malformed,
    rows::columns::{get, limit},
};
use crate::{
    oci::Repository,
    store::{Cell, Kind, RawRow, StoreError, Table, Transfer},
};

#[async_trait]
impl Transfer for PostgresStore {
    async fn rows(&self, of: Table, after: Option<&RawRow>, most: usize) -> Result<Vec<RawRow>, StoreError> {
        let mut values = after.map(|row| values(of, row, of.key())).unwrap_or_default();
        values.push(limit(most).into());
        self.read(of.select(after.is_some()), values).await?.iter().map(|row| raw(of, row)).collect()
    }

    async fn last_row(&self, of: Table) -> Result<Option<RawRow>, StoreError> {
        self.read(of.select_last(), Vec::new()).await?.first().map(|row| raw(of, row)).transpose()
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
                batch.add(put.clone(), values(of, row, of.columns().len()));
            }
            self.change(upstream, &repository, &batch).await?;
            rest = others;
        }
        Ok(())
    }
}

/// Puts a row, in the place of the one with the same key.
fn put(of: Table) -> String {
    let replaced: Vec<String> =
        of.columns()[of.key()..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}",
        of.name(),
        of.names(),
        of.parameters(),
        of.key_names(),
        replaced.join(", ")
    )
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
