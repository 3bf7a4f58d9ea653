//! A store copied to another, row by row, and both compared.

use crate::{
    oci::{Algorithm, Digest},
    store::{Cell, RawRow, Store, StoreError, Table},
};

/// How many rows are read and put at a time.
const PIECE: usize = 500;

/// What one table came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Which.
    pub table: Table,
    /// How many rows were put now: less than there are, where an earlier copy was interrupted.
    pub put: usize,
    /// What is in the first store.
    pub from: Sum,
    /// What is in the second.
    pub to: Sum,
}

/// All rows of a table, as one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub rows: usize,
    /// Of all values in the order of the keys.
    pub digest: Option<Digest>,
}

/// Copies one table of a store that nobody writes to meanwhile: goes on behind the last row that the other has, and compares all
/// of both. `each` is told of every row put.
pub async fn copy_table(
    from: &dyn Store,
    to: &dyn Store,
    table: Table,
    mut each: impl FnMut(),
) -> Result<Copied, StoreError> {
    let (mut after, mut put) = (to.last_row(table).await?, 0);
    loop {
        let rows = from.rows(table, after.as_ref(), PIECE).await?;
        let Some(last) = rows.last().cloned() else { break };
        put += rows.len();
        let count = rows.len();
        to.put_rows(table, rows).await?;
        (0..count).for_each(|_| each());
        after = Some(last);
    }
    Ok(Copied { table, put, from: sum(from, table).await?, to: sum(to, table).await? })
}

async fn sum(of: &dyn Store, table: Table) -> Result<Sum, StoreError> {
    let (mut sum, mut after) = (Sum::default(), None);
    loop {
        let rows = of.rows(table, after.as_ref(), PIECE).await?;
        // Each piece goes with what came before.
        let mut bytes = sum.digest.as_ref().map(Digest::to_string).unwrap_or_default().into_bytes();
        for row in &rows {
            add(&mut bytes, row);
        }
        sum.rows += rows.len();
        sum.digest = Some(Digest::of(Algorithm::Sha256, &bytes));
        let Some(last) = rows.into_iter().next_back() else { return Ok(sum) };
        after = Some(last);
    }
}

/// Each value with its kind and its length, so that no two rows are the same by chance.
fn add(bytes: &mut Vec<u8>, row: &RawRow) {
    for cell in &row.0 {
        let number;
        let (kind, value): (u8, &[u8]) = match cell {
            Cell::Null => (0, &[]),
            Cell::Number(value) => {
                number = value.to_be_bytes();
                (1, &number)
            }
            Cell::Text(text) => (2, text.as_bytes()),
            Cell::Bytes(bytes) => (3, bytes),
        };
        bytes.push(kind);
        bytes.extend(value.len().to_be_bytes());
        bytes.extend(value);
    }
}
