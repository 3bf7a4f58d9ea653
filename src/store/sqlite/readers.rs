//! Connections that read: one for each thread that does, since a hop to another thread costs more than a read.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags, Result};
use thread_local::ThreadLocal;

use super::{files::OpenFiles, open::BUSY};
use crate::store::StoreError;

/// Connections of threads, and those that no thread has yet.
pub(super) struct Readers {
    path: PathBuf,
    files: OpenFiles,
    free: Mutex<Vec<Connection>>,
    taken: ThreadLocal<RefCell<Connection>>,
}

impl Readers {
    /// Opens `count` at once: later, another file may stand at the path.
    pub(super) fn open(path: &Path, files: OpenFiles, count: usize) -> Result<Self> {
        let free = (0..count).map(|_| connect(path)).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), files, free: Mutex::new(free), taken: ThreadLocal::new() })
    }

    /// Reads by this thread's connection.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, StoreError> {
        let reader = self.taken.get_or_try(|| self.take())?;
        Ok(read(&reader.borrow())?)
    }

    fn take(&self) -> std::result::Result<RefCell<Connection>, StoreError> {
        // A thread that panicked with the lock has taken a connection or none.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(reader) = free {
            return Ok(RefCell::new(reader));
        }
        // Another file at the path is not what the others read: neither before it is opened nor after.
        self.files.check()?;
        let reader = connect(&self.path)?;
        self.files.check()?;
        Ok(RefCell::new(reader))
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    // The files beside it (the write-ahead log, its index) are opened by the first read: now, while they are there.
    db.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(db)
}
