//! Opening a file: is it ours, may we, what does it lack.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::{OpenFor, changes, tags};
use crate::store::{OpenError, StoreError, now_micros};

/// `PRAGMA application_id` of every file of ours: "bref".
const APPLICATION_ID: i64 = 0x6272_6566;

/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// Append only; see migrations/README.md.
const STEPS: &[M<'static>] = &[M::up(include_str!("../../../migrations/sqlite/0001_state.sql"))];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Takes the lock that makes this process the only `serve` on the file. It goes when the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let file = File::create(&beside).map_err(|error| unusable(&beside, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(&beside, error)),
    }
}

/// Names a process in its attempts and turns.
pub(super) fn owner(purpose: OpenFor) -> String {
    let kind = match purpose {
        OpenFor::Serving => "serve",
        OpenFor::Command => "command",
    };
    format!("{kind}-{:016x}", crate::random::u64())
}

/// The writing connection, on the newest schema.
pub(super) fn open(path: &Path, purpose: OpenFor) -> Result<Connection, OpenError> {
    let mut db = Connection::open(path).map_err(|error| unusable(path, error))?;
    let prepare = |db: &mut Connection| -> Result<(), Box<dyn std::error::Error>> {
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // Only where it has to be: a damaged file stays as it is.
        if db.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0))? != APPLICATION_ID {
            db.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        db.set_prepared_statement_cache_capacity(64);
        MIGRATIONS.to_latest(db)?;
        if purpose == OpenFor::Serving {
            let adopting = db.transaction()?;
            changes::adopt(&adopting, now_micros())?;
            tags::free(&adopting)?;
            adopting.commit()?;
        }
        Ok(())
    };
    prepare(&mut db).map_err(|error| unusable(path, error))?;
    Ok(db)
}

/// Refuses, before anything is written, a file that is not ours or newer than we are.
pub(super) fn inspect(path: &Path) -> Result<(), OpenError> {
    if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return Ok(());
    }
    let look = || -> rusqlite::Result<(i64, i64, i64)> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let tables = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        let pragma = |name| db.pragma_query_value(None, name, |row| row.get(0));
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let (application, found, tables) = look().map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
        _ => unusable(path, error),
    })?;
    // Invariant: the number of migrations is small.
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    match (application, found) {
        // Empty, as a crash in the first moment of a new file leaves it.
        (0, 0) if tables == 0 => Ok(()),
        (APPLICATION_ID, found) if found <= known => Ok(()),
        (APPLICATION_ID, found) => Err(OpenError::Newer { path: path.to_owned(), found, known }),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    // The files beside it (the write-ahead log, its index) are opened by the first read: now, while they are there.
    db.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(db)
}

#[allow(clippy::needless_pass_by_value, reason = "it is given where an error ends")]
pub(super) fn unusable(path: &Path, error: impl ToString) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), reason: error.to_string() }
}
