//! Commands while they run, and what they ask of a registry whose lists go on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stand::INDEX;
use crate::support::{Fake, sha256, until};

/// A second is what is promised; a loaded machine gets another.
const PROMPTLY: Duration = Duration::from_secs(2);

/// A command on its way.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: PathBuf,
}

pub(crate) fn start(mut command: Command, directory: &Path) -> Running {
    let stdout = directory.join("command.stdout");
    let stderr = File::create(directory.join("command.stderr")).expect("a file");
    command.env("DOCKER_CONFIG", directory.join("nobody"));
    let child = command.stdout(File::create(&stdout).expect("a file")).stderr(stderr).stdin(Stdio::null()).spawn();
    Running { child: child.expect("it starts"), stdout }
}

impl Running {
    /// Its exit status, and what it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = until("the command to end", || self.child.try_wait().expect("the child is ours"));
        (status.code(), std::fs::read_to_string(&self.stdout).expect("its output"))
    }

    /// The same after a signal, which has it end promptly.
    pub(crate) fn interrupt(self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        let since = Instant::now();
        let ended = self.end();
        assert!(since.elapsed() < PROMPTLY, "it took {:?}", since.elapsed());
        ended
    }

    /// The most memory that it has held, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("in KiB")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only on a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page that a request for a list asks for, by its `last`.
pub(crate) fn page(target: &str) -> usize {
    target.rsplit_once("last=").map_or(0, |(_, page)| page.parse().expect("a number"))
}

pub(crate) fn asked(fake: &Fake, is: impl Fn(&str) -> bool) -> usize {
    fake.seen().iter().filter(|seen| is(seen.head.target())).count()
}

pub(crate) fn entry(digest: &str) -> Value {
    json!({"mediaType": INDEX, "digest": digest, "size": 2})
}

pub(crate) fn index(entries: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}

pub(crate) fn made_of(subject: &str, number: usize) -> String {
    sha256(format!("{subject} {number}").as_bytes())
}

pub(crate) fn is_referrers(target: &str) -> bool {
    target.contains("/referrers/")
}
