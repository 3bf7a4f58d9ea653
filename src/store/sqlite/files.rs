//! The three files of a database in use: SQLite goes on committing, without an error, into files that were deleted under
//! it, and what it commits there is lost.

use std::{
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::path::with_ending;
use crate::store::StoreError;

/// The database, its write-ahead log and the log's index, as they were when they were opened.
#[derive(Clone)]
pub(super) struct OpenFiles(Arc<[(PathBuf, FileId)]>);

impl OpenFiles {
    /// Of a database that was read, so that all three are there, and stay there as long as a connection is open.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let file = |ending| {
            let path = with_ending(path, ending);
            FileId::of(&path).map(|id| (path, id))
        };
        Ok(Self(["", "-wal", "-shm"].into_iter().map(file).collect::<Result<_, _>>()?))
    }

    /// Whether they are still those at their paths.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &*self.0 {
            let what = match FileId::of(path) {
                Ok(id) if id == *opened => continue,
                Ok(_) => "was replaced by another file".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "was deleted or moved away".to_owned(),
                Err(error) => format!("cannot be looked at any more ({error})"),
            };
            let path = path.display();
            return Err(StoreError::Unusable(format!(
                "{path} {what} while backref used it, so nothing more is written; restart backref to use what is there now"
            )));
        }
        Ok(())
    }
}

/// Which file stands at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}
