//! Tokens in files.

use std::{fs, path::Path};

/// Reads the token in the file that a setting names; `Err` is a sentence.
pub(super) fn read_token(setting: &str, path: &Path) -> Result<String, String> {
    let fail = |why: String| format!("{setting} {}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() { Err(fail("it is empty".to_owned())) } else { Ok(token.to_owned()) }
}
