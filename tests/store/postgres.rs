//! Stores in databases of their own.

use std::sync::Arc;

use backref::{
    config::PostgresUrl,
    store::{OpenError, OpenFor, PostgresStore, Store},
};

use crate::support::Postgres;

pub(crate) fn open(url: &str, purpose: OpenFor) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&PostgresUrl::parse(url).expect("a URL"), purpose, 4)
}

/// A store in a database of its own.
pub(crate) fn new_store() -> Arc<dyn Store> {
    Arc::new(open(&Postgres::shared().database(), OpenFor::Serving).expect("a new store"))
}
