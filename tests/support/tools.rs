//! Where the programs are that the suites drive.

use std::env;
use std::path::PathBuf;

/// The program of that name: built from `tests/tools`, else the system's.
pub(crate) fn tool(name: &str) -> PathBuf {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(built)
        .chain(env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/run tools"))
}
