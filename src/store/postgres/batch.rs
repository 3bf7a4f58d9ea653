//! Statements that are sent together, in order, without waiting for the answers between them: one trip.

use std::borrow::Cow;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::oci::Digest;

/// Statements with their values.
#[derive(Default)]
pub(super) struct Batch<'v>(pub(super) Vec<(Cow<'static, str>, Vec<Value<'v>>)>);

impl<'v> Batch<'v> {
    /// One statement.
    pub(super) fn of(sql: impl Into<Cow<'static, str>>, values: Vec<Value<'v>>) -> Self {
        Self(vec![(sql.into(), values)])
    }

    /// And then another.
    pub(super) fn add(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value<'v>>) {
        self.0.push((sql.into(), values));
    }

    /// The same, in a chain.
    pub(super) fn and(mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value<'v>>) -> Self {
        self.add(sql, values);
        self
    }
}

/// What a parameter is given. Numbers are `bigint` everywhere.
#[derive(Debug)]
pub(super) enum Value<'v> {
    Text(Option<&'v str>),
    Number(Option<i64>),
    Flag(bool),
    Bytes(&'v [u8]),
    Texts(Vec<Option<&'v str>>),
}

impl ToSql for Value<'_> {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(column, out),
            Self::Number(number) => number.to_sql(column, out),
            Self::Flag(flag) => flag.to_sql(column, out),
            Self::Bytes(bytes) => bytes.to_sql(column, out),
            Self::Texts(texts) => texts.to_sql(column, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'v> From<Vec<Option<&'v str>>> for Value<'v> {
    fn from(texts: Vec<Option<&'v str>>) -> Self {
        Self::Texts(texts)
    }
}

impl<'v> FromIterator<&'v Digest> for Value<'v> {
    fn from_iter<I: IntoIterator<Item = &'v Digest>>(digests: I) -> Self {
        Self::Texts(digests.into_iter().map(|digest| Some(digest.as_str())).collect())
    }
}

/// Values of any kind, in their order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::postgres::batch::Value::from($value)),*] };
}
pub(super) use values;

/// The moment by the database's clock, as SQL.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use now;
