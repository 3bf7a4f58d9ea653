//! PostgreSQL's errors in the store's words.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

use crate::store::StoreError;

/// Why a trip to the database came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another transaction was in its way, and it left nothing behind: it can be made again.
    Again,
    /// The connection was lost before anything could have been committed.
    Lost(StoreError),
    /// Anything else.
    Store(StoreError),
}

impl Fault {
    /// What to tell whoever asked, who is not asked to try again.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Again => StoreError::Contended,
            Self::Lost(error) | Self::Store(error) => error,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => Self::Again,
            Some(&SqlState::LOCK_NOT_AVAILABLE) => Self::Store(StoreError::Contended),
            _ => Self::Store(unusable(&error)),
        }
    }
}

/// An error in one sentence.
pub(super) fn unusable(error: &Error) -> StoreError {
    StoreError::Unusable(in_words(error))
}

pub(super) fn in_words(error: &Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return refusal.message().to_owned();
    }
    // The crate's own words say where it happened, and its cause why.
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_words = inner.to_string();
        if !words.contains(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        cause = inner.source();
    }
    words
}

/// A row that doesn't have what the SQL asked for.
pub(super) fn malformed(what: &str) -> StoreError {
    StoreError::Unusable(format!("a row is not as backref writes it: {what}"))
}
