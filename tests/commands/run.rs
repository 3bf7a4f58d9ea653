//! Commands, run to their end.

use std::process::Command;

use serde_json::Value;

use crate::stand::Stand;
use crate::support::{Backref, http};

/// No command of these tests takes a tenth of it, but for the generated ones.
const BOUND_SECONDS: &str = "600";

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What was said, as JSON: of a command with `--json`.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// The kinds of the lines, but for the last, which counts.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let kinds = self.lines().into_iter().map(|line| line["kind"].as_str().expect("a kind").to_owned());
        kinds.filter(|kind| kind != "done").collect()
    }
}

/// Runs a command with that backref's upstream, store and configuration. `line` is split at spaces.
pub(crate) fn run(backref: &Backref, line: &str) -> Ran {
    let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let mut command = backref.command(name);
    command.args(arguments.split_whitespace());
    // Whoever runs the tests has credentials of their own.
    finish(command.env("DOCKER_CONFIG", backref.directory().join("nobody")))
}

/// The same, with more environment.
pub(crate) fn run_with(backref: &Backref, name: &str, environment: &[(&str, &str)]) -> Ran {
    let mut command = backref.command(name);
    command.envs(environment.iter().copied());
    finish(command.env("DOCKER_CONFIG", backref.directory().join("nobody")))
}

pub(crate) fn finish(command: &Command) -> Ran {
    let mut bounded = Command::new("timeout");
    bounded.args(["--kill-after=5", BOUND_SECONDS]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    let output = bounded.output().expect("the binary under test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The referrers that the database itself has, as a backref lists them that reads no referrers tag.
pub(crate) fn in_database(stand: &Stand, repository: &str, subject: &str) -> Vec<String> {
    in_database_of(&stand.backref, &stand.registry.url(), repository, subject)
}

/// The same in front of any registry, whose own list isn't asked either.
pub(crate) fn in_database_of(of: &Backref, upstream: &str, repository: &str, subject: &str) -> Vec<String> {
    let options = Backref::of(upstream).store(&of.store()).config("[referrers]\nnative = \"off\"\ntag = \"off\"\n");
    let backref = options.start();
    let listed = http::referrers(backref.host(), repository, subject, &[]);
    listed.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}
