//! How keys and values stand in columns.

use tokio_postgres::{Row, types::FromSql};

use crate::{
    oci::Digest,
    referrers::ManifestKey,
    store::{
        StoreError, StoreTime,
        postgres::errors::{malformed, unusable},
    },
};

/// The three columns that a manifest's rows are keyed by.
pub(crate) fn key(of: &ManifestKey) -> [&str; 3] {
    [&of.upstream, of.repository.as_str(), of.digest.as_str()]
}

/// A column of a row.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| unusable(&error))
}

/// A digest in a column of a row.
pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest, StoreError> {
    parse(get(row, column)?)
}

/// The same where there may be none.
pub(crate) fn digest_or_null(row: &Row, column: usize) -> Result<Option<Digest>, StoreError> {
    get::<Option<&str>>(row, column)?.map(parse).transpose()
}

fn parse(text: &str) -> Result<Digest, StoreError> {
    Digest::parse(text).map_err(|error| malformed(&error.to_string()))
}

/// A time in a column of a row.
pub(crate) fn time_or_null(row: &Row, column: usize) -> Result<Option<StoreTime>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(StoreTime))
}

/// A length in bytes in a column of a row.
pub(crate) fn size(row: &Row, column: usize) -> Result<usize, StoreError> {
    usize::try_from(get::<i64>(row, column)?).map_err(|error| malformed(&error.to_string()))
}

/// How many rows at most, as SQL has it.
pub(crate) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The first row of an answer that has one always.
pub(crate) fn only(rows: &[Row]) -> Result<&Row, StoreError> {
    rows.first().ok_or_else(|| malformed("there is none"))
}
