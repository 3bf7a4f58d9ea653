//! How keys and values stand in columns.

use rusqlite::{Error, Result, Row, types::Type};

use crate::{oci::Digest, referrers::ManifestKey, store::StoreTime};

/// The three columns that a manifest's rows are keyed by.
pub(crate) fn key(of: &ManifestKey) -> [&str; 3] {
    [&of.upstream, of.repository.as_str(), of.digest.as_str()]
}

/// The same of another manifest of its repository.
pub(crate) fn sibling<'a>(beside: &'a ManifestKey, digest: &'a str) -> [&'a str; 3] {
    [&beside.upstream, beside.repository.as_str(), digest]
}

/// A digest in a column of a row.
pub(crate) fn digest(row: &Row<'_>, column: usize) -> Result<Digest> {
    parse(row.get_ref(column)?.as_str()?, column)
}

/// The same where there may be none.
pub(crate) fn digest_or_null(row: &Row<'_>, column: usize) -> Result<Option<Digest>> {
    row.get_ref(column)?.as_str_or_null()?.map(|text| parse(text, column)).transpose()
}

fn parse(text: &str, column: usize) -> Result<Digest> {
    Digest::parse(text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// A time in a column of a row.
pub(crate) fn time_or_null(row: &Row<'_>, column: usize) -> Result<Option<StoreTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(StoreTime))
}

/// How many rows at most, as SQL has it.
pub(crate) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
