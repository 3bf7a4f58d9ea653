//! [`Transfer`] on SQLite.

use async_trait::async_trait;
use rusqlite::{
    Connection, Result, Row, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::{database::SqliteStore, rows::columns::limit, writer::Durability};
use crate::store::{Cell, RawRow, StoreError, Table, Transfer};

#[async_trait]
impl Transfer for SqliteStore {
    async fn rows(
        &self,
        of: Table,
        after: Option<&RawRow>,
        most: usize,
    ) -> std::result::Result<Vec<RawRow>, StoreError> {
        let most = limit(most);
        let mut values: Vec<&dyn ToSql> = Vec::new();
        values.extend(after.iter().flat_map(|row| &row.0[..of.key()]).map(|cell| cell as &dyn ToSql));
        values.push(&most);
        self.read(|db| read(db, &of.select(after.is_some()), &values))
    }

    async fn last_row(&self, of: Table) -> std::result::Result<Option<RawRow>, StoreError> {
        Ok(self.read(|db| read(db, &of.select_last(), &[]))?.pop())
    }

    async fn put_rows(&self, of: Table, rows: Vec<RawRow>) -> std::result::Result<(), StoreError> {
        if of == Table::Alias && !rows.is_empty() {
            self.note_alias();
        }
        self.write(Durability::Disk, move |db, _| {
            let sql = format!("INSERT OR REPLACE INTO {} ({}) VALUES ({})", of.name(), of.names(), of.parameters());
            let mut put = db.prepare_cached(&sql)?;
            rows.iter().try_for_each(|row| put.execute(rusqlite::params_from_iter(&row.0)).map(drop))
        })
        .await
    }
}

fn read(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<RawRow>> {
    let mut statement = db.prepare_cached(sql)?;
    let count = statement.column_count();
    let row = |row: &Row<'_>| (0..count).map(|column| cell(row.get_ref(column)?)).collect::<Result<_>>();
    statement.query_map(values, row)?.map(|cells| cells.map(RawRow)).collect()
}

fn cell(value: ValueRef<'_>) -> Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number),
        ValueRef::Text(_) => Cell::Text(value.as_str()?.to_owned()),
        // Invariant: the tables are strict, and no column is real.
        ValueRef::Blob(_) | ValueRef::Real(_) => Cell::Bytes(value.as_blob()?.to_vec()),
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
