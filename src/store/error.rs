//! What can go wrong with a store.

use std::path::PathBuf;

/// Why the store can't do what it was asked for now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be read or written; the text says why and, where something can be done about it, what.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// Another process works on the same row, for longer than it is waited for.
    #[error("another process is writing to the database; try again in a moment")]
    Contended,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store can't be opened. What is there is as it was.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("cannot open the database {path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("cannot use the database {url}: {reason}")]
    Database { url: String, reason: String },
    #[error("{0} is not a backref database: choose another path with --store sqlite:PATH")]
    Foreign(PathBuf),
    #[error("{path} was written by a newer backref (schema {found}, this one knows {known}): use that release")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{0} is in use by another `backref serve`: stop it, or choose another path with --store sqlite:PATH")]
    InUse(PathBuf),
}
