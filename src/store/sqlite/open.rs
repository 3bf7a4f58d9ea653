//! Opening a file: may this process use it, and what has to be done first.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{
    clock::now,
    errors::is_busy,
    path::{folder, with_ending},
    rows::{attempts, expiry, referrers_tags},
    schema::{self, Schema},
};
use crate::store::{OpenError, OpenFor};

/// How long another process's transaction is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Refuses, before anything is written, a file that this release may not use.
pub(super) fn inspect(path: &Path) -> Result<(), OpenError> {
    // One that is not there yet, or empty, is nobody's.
    if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return Ok(());
    }
    let look = || {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(BUSY)?;
        schema::look(&db)
    };
    judge(path, look().map_err(|error| refusal(path, &error))?)
}

fn judge(path: &Path, schema: Schema) -> Result<(), OpenError> {
    match schema {
        Schema::Behind | Schema::Usable => Ok(()),
        Schema::Newer(found) => Err(OpenError::Newer { path: path.to_owned(), found, known: schema::KNOWN }),
        Schema::Foreign => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// Takes the lock that makes this process the only `serve` on the file. It goes when the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let beside = with_ending(path, ".lock");
    let file = File::create(&beside).map_err(|error| OpenError::Unusable {
        path: path.to_owned(),
        reason: match error.kind() {
            _ if beside.exists() => format!("its lock {} cannot be written: {error}", beside.display()),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
                "this user may not write the folder {}, in which files are kept beside the database; change the folder's \
                 owner or permissions, or choose another path",
                folder(path).display()
            ),
            _ => format!(
                "no file can be made in the folder {}: {error}; choose another path",
                folder(path).display()
            ),
        },
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(path, format!("its lock {}: {error}", beside.display()))),
    }
}

/// The writing connection, on this release's schema.
pub(super) fn connect(path: &Path, purpose: OpenFor) -> Result<Connection, OpenError> {
    let refusal = |error| refusal(path, &error);
    let mut db = Connection::open(path).map_err(refusal)?;
    // SQLite opens what may not be written all the same, and says so at the first write only.
    if db.is_readonly(rusqlite::MAIN_DB).map_err(refusal)? {
        return Err(unusable(path, not_writable(path)));
    }
    db.busy_timeout(BUSY).map_err(refusal)?;
    if write_ahead(&db).map_err(refusal)? != "wal" {
        let reason = "its file system cannot share memory, which SQLite's write-ahead log needs; choose a local disk";
        return Err(unusable(path, reason.to_owned()));
    }
    db.pragma_update(None, "journal_size_limit", 64 << 20).map_err(refusal)?;
    db.set_prepared_statement_cache_capacity(64);
    judge(path, schema::migrate(&mut db).map_err(refusal)?)?;
    if purpose == OpenFor::Serving {
        take_over(&mut db).map_err(refusal)?;
    }
    Ok(db)
}

/// Switches to the write-ahead log, and gives the journal's mode. SQLite does not wait by itself where another process
/// does the same just now: each would wait for the other.
fn write_ahead(db: &Connection) -> rusqlite::Result<String> {
    let started = Instant::now();
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(error) if is_busy(&error) && started.elapsed() < BUSY => std::thread::yield_now(),
            mode => return mode,
        }
    }
}

/// At the start of the only `serve`: what earlier ones had under way, nobody works on any more.
fn take_over(db: &mut Connection) -> rusqlite::Result<()> {
    let taking = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    attempts::release_all(&taking)?;
    expiry::drop_deletes(&taking, now())?;
    referrers_tags::free_leases(&taking)?;
    taking.commit()
}

/// Why the file can't be used, by SQLite's error.
pub(super) fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unusable(path, not_writable(path))
        }
        Some(_) if is_busy(error) => {
            unusable(path, "another process is writing to it; try again in a moment".to_owned())
        }
        _ => unusable(path, error.to_string()),
    }
}

fn not_writable(path: &Path) -> String {
    format!(
        "this user may not write it, or the folder {}, in which SQLite keeps files beside it; change the owner or the \
         permissions, or choose another path",
        folder(path).display()
    )
}

fn unusable(path: &Path, reason: String) -> OpenError {
    OpenError::Unusable { path: PathBuf::from(path), reason }
}
