//! SQLite's errors in the store's words.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Another process has the lock that this one waited for.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_busy(&error) { Self::Contended } else { Self::Unusable(error.to_string()) }
    }
}
