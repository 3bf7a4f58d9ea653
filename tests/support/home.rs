//! Where clients run: their credentials, their configuration, their files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::tool;

/// No client of these tests takes a tenth of it.
const BOUND_SECONDS: &str = "300";

/// A directory that a client takes for the user's home, and works in. Empty when made.
pub(crate) struct Home {
    directory: TempDir,
}

/// What a client did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("home-").tempdir().expect("a directory");
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs a client and returns what it said on stdout. The words of `line` are split at spaces; nothing is quoted.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_with(line, &[])
    }

    /// The same, with more environment.
    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> String {
        let outcome = self.outcome(line, environment);
        assert!(outcome.succeeded, "{line}\nfailed\n{outcome}");
        outcome.stdout
    }

    /// Runs a client that is expected to fail, and returns all that it said.
    pub(crate) fn run_refused(&self, line: &str) -> String {
        let outcome = self.outcome(line, &[]);
        assert!(!outcome.succeeded, "{line}\nsucceeded, and should not have\n{outcome}");
        outcome.to_string()
    }

    /// Runs a client, whatever comes of it.
    pub(crate) fn outcome(&self, line: &str, environment: &[(&str, &str)]) -> Outcome {
        let mut words = line.split_whitespace();
        let program = tool(words.next().expect("a line names a program"));
        let output = Command::new("timeout")
            .args(["--kill-after=5", BOUND_SECONDS])
            .arg(program)
            .args(words)
            .current_dir(self.directory.path())
            .env("HOME", self.directory.path())
            .env("DOCKER_CONFIG", self.path(".docker"))
            .env("REGISTRY_AUTH_FILE", self.path(".docker/config.json"))
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env_remove("XDG_CONFIG_HOME")
            .envs(environment.iter().copied())
            .output()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // 124 and 137 are `timeout` ending it: never an outcome a test may take for the client's own.
        let timed_out = matches!(output.status.code(), Some(124 | 137));
        let outcome =
            Outcome { succeeded: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!timed_out, "{line}\nstill ran after {BOUND_SECONDS} s\n{outcome}");
        outcome
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}
