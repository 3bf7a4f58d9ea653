//! What no log may hold, however much is logged.

use std::fs;
use std::path::Path;

/// What credentials and tokens look like where they would be logged, and how many characters behind it make it one.
const BEGINNINGS: [(&str, usize); 6] =
    [("Basic ", 8), ("basic ", 8), ("Bearer ", 16), ("bearer ", 16), ("eyJ", 16), ("_state=", 8)];

/// The lines of a text that hold a secret, or something that looks like one.
fn lines_with_secrets(text: &str) -> Vec<&str> {
    let is_of_a_token = |char: &char| char.is_ascii_alphanumeric() || "+/=._~-%".contains(*char);
    let holds = |line: &str, (beginning, length): (&str, usize)| {
        line.split(beginning).skip(1).any(|rest| rest.chars().take_while(is_of_a_token).count() >= length)
    };
    text.lines().filter(|line| BEGINNINGS.iter().any(|beginning| holds(line, *beginning))).collect()
}

/// Fails where a log in a folder holds a secret.
pub(crate) fn assert_none_in_logs(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let found = lines_with_secrets(&text);
            assert!(found.is_empty(), "{} has secrets:\n{}", path.display(), found[..found.len().min(5)].join("\n"));
        }
    }
}

#[test]
fn secrets_are_told_from_what_only_looks_like_them() {
    for secret in [
        "authorization: Basic YWxpY2U6c2VjcmV0",
        "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x",
        "/blobs/uploads/1?_state=Zm9vYmFyYmF6",
    ] {
        assert_eq!(lines_with_secrets(&format!("first\nGET {secret} x\nlast")).len(), 1, "{secret}");
    }
    for other in
        ["Basic realm=\"x\"", "Bearer realm=\"https://x\",service=\"y\"", "Basic", "_state=", "a bearer of news"]
    {
        assert!(lines_with_secrets(other).is_empty(), "{other}");
    }
}
