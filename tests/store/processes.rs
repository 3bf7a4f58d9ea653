//! Other processes on the same file: this program again, told by its environment what to do.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
};

use backref::store::{OpenFor, SqliteStore};

use crate::{block_on, world};

const READY: &str = "ready to open";

/// A process that waits, and then opens a store and records a referrer.
pub(crate) struct Process {
    child: process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// One that waits until it is told to [`Process::go`]. `rights`: those of this process, or no more than the files' modes
    /// give.
    pub(crate) fn start(path: &Path, purpose: OpenFor, name: &str, rights: bool) -> Self {
        let program = env::current_exe().expect("this program");
        // Modes bind everybody but root. Another user may not get as far as to this program.
        let is_bound = rights || !rustix::process::getuid().is_root();
        let mut command = if is_bound {
            Command::new(program)
        } else {
            let mut command = Command::new("setpriv");
            command.arg("--bounding-set=-dac_override,-dac_read_search").arg("--").arg(program);
            command
        };
        command.args(["--ignored", "--exact", "processes::store_another_process", "--nocapture"]);
        command.env("STORE_PATH", path).env("STORE_NAME", name);
        command.env("STORE_SERVES", (purpose == OpenFor::Serving).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("this program");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while !line.contains(READY) {
            line.clear();
            assert!(stdout.read_line(&mut line).expect("text") > 0, "it ended early");
        }
        Self { child, stdin, stdout }
    }

    /// Lets it go on.
    pub(crate) fn go(self) -> Going {
        drop(self.stdin);
        Going { child: self.child, stdout: self.stdout }
    }
}

/// A process that opens the store now.
pub(crate) struct Going {
    child: process::Child,
    stdout: BufReader<ChildStdout>,
}

impl Going {
    /// Why it could not, once it has ended.
    pub(crate) fn end(mut self) -> Result<(), String> {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).expect("text");
        let status = self.child.wait().expect("it ends");
        if status.success() { Ok(()) } else { Err(said) }
    }
}

#[test]
#[ignore = "what a process that another test starts does"]
fn store_another_process() {
    let variable = |name: &str| env::var(name).expect("another test starts this one");
    let path = PathBuf::from(variable("STORE_PATH"));
    let purpose = if variable("STORE_SERVES") == "true" { OpenFor::Serving } else { OpenFor::Command };
    println!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the end of it");
    match SqliteStore::open(&path, purpose, 1) {
        Ok(store) => block_on(world::hold(&store, &variable("STORE_NAME"))),
        Err(error) => {
            println!("{error}");
            process::exit(1);
        }
    }
}
