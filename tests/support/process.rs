//! A server process: its output in files, its end by its process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::until;

/// A running process. Dropped, it is killed; when the test is failing, what it said is printed first.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `NAME.stdout` and `NAME.stderr` in `directory`.
    pub(crate) fn start(name: &str, command: &mut Command, directory: &Path) -> Self {
        let open = |path: &Path| File::options().create(true).append(true).open(path).expect("an output file");
        let stdout = directory.join(format!("{name}.stdout"));
        let stderr = directory.join(format!("{name}.stderr"));
        let child = command
            .stdin(Stdio::null())
            .stdout(open(&stdout))
            .stderr(open(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({command:?}): {error}"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Asks until there is an answer, or panics with what the process said when it has ended or stays silent.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let what = format!("{}: {what}", self.name);
        until(&what, || {
            let answer = ask(self);
            if answer.is_none()
                && let Some(status) = self.child.try_wait().expect("the child is ours")
            {
                panic!("{what}: it ended ({status})");
            }
            answer
        })
    }

    /// Sends a signal and does not wait.
    pub(crate) fn signal(&self, signal: Signal) {
        // The child is ours and not waited for yet, so the id can't have become another process's.
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {signal:?}: {error}", self.name));
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait_for_end(&format!("{} to end on {signal:?}", self.name))
    }

    /// Waits for an end that comes without a signal of ours.
    pub(crate) fn wait_for_end(&mut self, what: &str) -> ExitStatus {
        until(what, || self.child.try_wait().expect("the child is ours"))
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.pid())));
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("VmHWM in /proc/PID/status, of a process that lives") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only on a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said on stderr:\n{}", self.name, self.stderr());
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
