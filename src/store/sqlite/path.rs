//! Where the file is, and whether a database may be there.

use std::{
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::store::OpenError;

/// The one name of the file, whatever links lead to it: SQLite finds the log, and backref the lock, by the file's name.
/// Nothing is made; an error says what to do.
pub(super) fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    let refuse = |reason: String| Err(OpenError::Unusable { path: path.to_owned(), reason });
    match std::fs::metadata(path) {
        Ok(file) if file.is_dir() => {
            refuse(format!("it is a folder; name a file in it, such as {}", path.join("backref.db").display()))
        }
        Ok(file) if !file.is_file() => refuse("it is not a regular file; choose another path".to_owned()),
        Ok(file) if file.nlink() > 1 => refuse(format!(
            "the file has {} names (hard links), and under each name SQLite would keep a log of its own; remove all but one",
            file.nlink()
        )),
        Ok(_) => std::fs::canonicalize(path).or_else(|error| refuse(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Ok(target) = std::fs::read_link(path) {
                return refuse(format!(
                    "it is a symbolic link to {}, which does not exist; name the file itself",
                    target.display()
                ));
            }
            match (folder(path).canonicalize(), path.file_name()) {
                (Ok(folder), Some(name)) => Ok(folder.join(name)),
                (Err(error), _) if error.kind() == ErrorKind::NotFound => refuse(format!(
                    "the folder {} does not exist; make it (mkdir -p), or choose another path",
                    folder(path).display()
                )),
                (Err(error), _) => refuse(format!("the folder {}: {error}", folder(path).display())),
                (_, None) => refuse("it names no file".to_owned()),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            refuse(format!("{} is not a folder; choose another path", folder(path).display()))
        }
        Err(error) => refuse(error.to_string()),
    }
}

/// The folder in which the file is.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

/// The same path with something behind it.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
