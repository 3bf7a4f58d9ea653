//! A store in a SQLite file: how it is opened, read and written.

use std::{fs::File, path::Path, sync::Arc};

use rusqlite::{Connection, Result};

use super::{
    files::OpenFiles,
    open,
    path::locate,
    readers::Readers,
    rows::forms,
    writer::{Durability, Writer},
};
use crate::store::{OpenError, OpenFor, StoreError, StoreTime, aliased::Aliased};

/// A store in a SQLite file.
pub struct SqliteStore {
    /// Names this process in its attempts and leases.
    owner: Arc<str>,
    readers: Readers,
    writer: Writer,
    aliased: Aliased,
    /// Held, not read: the lock goes with it, last.
    _serving: Option<File>,
}

impl SqliteStore {
    /// Opens or makes the file, and `readers` connections for threads that read: further threads open their own, as long as
    /// the file stands at its path. What is not backref's, or a newer release's that this one may not use, is refused and
    /// left as it is.
    pub fn open(path: &Path, purpose: OpenFor, readers: usize) -> std::result::Result<Self, OpenError> {
        let path = &locate(path)?;
        // First of all, so that a file that is refused is left without a lock beside it.
        open::inspect(path)?;
        let serving = (purpose == OpenFor::Serving).then(|| open::lock(path)).transpose()?;
        let connection = open::connect(path, purpose)?;
        let refusal = |error| open::refusal(path, &error);
        let failure = |error: std::io::Error| OpenError::Unusable { path: path.clone(), reason: error.to_string() };
        // This is a read, after which all of SQLite's files are there.
        let aliased = Aliased::new();
        aliased.found(forms::any(&connection).map_err(refusal)?);
        let files = OpenFiles::of(path).map_err(failure)?;
        Ok(Self {
            owner: purpose.owner().into(),
            readers: Readers::open(path, files.clone(), readers).map_err(refusal)?,
            writer: Writer::start(connection, files).map_err(failure)?,
            aliased,
            _serving: serving,
        })
    }

    /// How this process is named in attempts and leases.
    pub(super) fn owner(&self) -> Arc<str> {
        self.owner.clone()
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, StoreError> {
        self.readers.read(read)
    }

    /// The same, where nothing is found as long as no manifest has two forms.
    pub(super) fn read_aliases<T: Default>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        // What can't be read now is looked up again: pulls go on without the store.
        let look = || self.aliased.found(self.read(forms::any).unwrap_or_default());
        let aliased = self.aliased.is_known().unwrap_or_else(look);
        if aliased { self.read(read) } else { Ok(T::default()) }
    }

    /// Some manifest has two forms from now on.
    pub(super) fn note_alias(&self) {
        self.aliased.note();
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, StoreTime) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.writer.write(durability, work).await
    }
}
