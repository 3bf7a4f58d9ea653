//! The binary under test.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Postgres, process::Process, secrets, until};

/// backref, not started yet.
pub(crate) struct BackrefOptions {
    upstream: String,
    config: String,
    store: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    shell: Option<String>,
    is_on_sqlite: bool,
}

/// backref, answering.
pub(crate) struct Backref {
    options: BackrefOptions,
    process: Option<Process>,
    starts: u32,
    listen: String,
    admin: String,
    directory: TempDir,
}

impl BackrefOptions {
    /// The content of its configuration file, TOML.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// Another store than a `SQLite` file of its own.
    pub(crate) fn store(mut self, url: &str) -> Self {
        self.store = Some(url.to_owned());
        self
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a shell does before it becomes backref, such as `ulimit -n 100`.
    pub(crate) fn shell(mut self, commands: &str) -> Self {
        self.shell = Some(commands.to_owned());
        self
    }

    /// Without a look at referrers tags: what the upstream is asked is then about the rest alone.
    pub(crate) fn without_tags(self) -> Self {
        self.environment("BACKREF_REFERRERS_TAG", "off")
    }

    /// On a `SQLite` file, whatever store the suites are run on.
    pub(crate) fn on_sqlite(mut self) -> Self {
        self.is_on_sqlite = true;
        self
    }

    pub(crate) fn start(mut self) -> Backref {
        // All suites are run on either store.
        if self.store.is_none()
            && !self.is_on_sqlite
            && std::env::var("TEST_STORE").is_ok_and(|store| store == "postgres")
        {
            self.store = Some(Postgres::shared().database());
        }
        let directory = tempfile::Builder::new().prefix("backref-").tempdir().expect("a directory");
        std::fs::write(directory.path().join("backref.toml"), &self.config).expect("a configuration file");
        let any_port = || "127.0.0.1:0".to_owned();
        let mut backref =
            Backref { options: self, process: None, starts: 0, listen: any_port(), admin: any_port(), directory };
        backref.start();
        backref
    }
}

impl Backref {
    /// In front of the registry at that URL.
    pub(crate) fn of(upstream: &str) -> BackrefOptions {
        BackrefOptions {
            upstream: upstream.to_owned(),
            config: String::new(),
            store: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            shell: None,
            is_on_sqlite: false,
        }
    }

    /// Starts it, or starts it again: the same ports, the same store.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "backref runs already");
        // Logs of its own for each start: the addresses are read from them.
        self.starts += 1;
        let mut command = self.command("serve");
        command.args(["--listen", &self.listen, "--admin", &self.admin]).args(&self.options.arguments);
        let name = format!("backref-{}", self.starts);
        let mut process = Process::start(&name, &mut command, self.directory.path());
        (self.listen, self.admin) =
            process.wait_for("the line that says where it listens", |process| addresses(&process.stdout()));
        self.process = Some(process);
    }

    /// Starts it to be killed at a step of its pipelines: `NAME=return`, or `NAME=2*off->return` for the third time.
    pub(crate) fn start_to_die(&mut self, step: &str) {
        self.options.environment.push(("FAILPOINTS".to_owned(), step.to_owned()));
        self.start();
        self.options.environment.pop();
    }

    /// Waits until it was killed there.
    pub(crate) fn wait_for_death(&mut self) {
        let status = self.process.take().expect("backref runs").wait_for_end("backref to be killed at a step");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
    }

    /// One of its commands, on the same upstream, store and configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        let binary = env!("CARGO_BIN_EXE_backref");
        let mut command = Command::new(if self.options.shell.is_some() { "sh" } else { binary });
        if let Some(commands) = &self.options.shell {
            command.args(["-c", &format!("{commands}; exec \"$0\" \"$@\""), binary]);
        }
        // What whoever runs the tests has set for a backref of their own is not meant for this one.
        let theirs = std::env::vars_os().map(|(name, _)| name);
        for name in theirs.filter(|name| name.to_string_lossy().starts_with("BACKREF_")) {
            command.env_remove(name);
        }
        // Tests are people here: they read the log, which is no terminal's.
        if !self.options.config.contains("format =") {
            command.env("BACKREF_LOG_FORMAT", "text");
        }
        // Suites look for secrets in all that can be logged.
        if let Ok(filter) = std::env::var("TEST_LOG_FILTER") {
            command.env("BACKREF_LOG_FILTER", filter);
        }
        command.arg(name);
        // Where there are several, the configuration names them.
        if !self.options.upstream.is_empty() {
            command.args(["--upstream", &self.options.upstream]);
        }
        command
            .args(["--store", &self.store()])
            .arg("--config")
            .arg(self.directory.path().join("backref.toml"))
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `host:port`, as it stands in references.
    pub(crate) fn host(&self) -> &str {
        &self.listen
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The URL of its store.
    pub(crate) fn store(&self) -> String {
        self.options.store.clone().unwrap_or_else(|| format!("sqlite:{}", self.database().display()))
    }

    /// Runs SQL on its store, for states that nothing else makes; gives what the database's own client prints.
    pub(crate) fn sql(&self, sql: &str) -> String {
        if self.is_on_postgres() {
            let database = self.store().rsplit('/').next().expect("a URL has a path").to_owned();
            return Postgres::shared().psql(&database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let ran = Command::new("sqlite3").arg(self.database()).arg(sql).output();
        let ran = ran.expect("sqlite3, which tests/run installs");
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text").trim().to_owned()
    }

    /// Loses all that its store holds. It doesn't run.
    pub(crate) fn forget_store(&self) {
        assert!(self.process.is_none(), "backref runs");
        if self.is_on_postgres() {
            self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
            return;
        }
        for ending in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{ending}", self.database().display())));
        }
        assert!(!self.database().exists());
    }

    /// Waits until what a process that was killed has left open is anybody's: for a file at once, since it has one `serve`.
    pub(crate) fn wait_for_orphans(&self) {
        if self.is_on_postgres() {
            let alive =
                "SELECT count(*) FROM process WHERE alive_until > extract(epoch FROM clock_timestamp()) * 1000000";
            until("the process that was killed to be taken for dead", || (self.sql(alive) == "1").then_some(()));
        }
    }

    pub(crate) fn is_on_postgres(&self) -> bool {
        self.store().starts_with("postgres")
    }

    /// The file of its `SQLite` store.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory().join("backref.db")
    }

    /// Where it keeps everything.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running().pid()
    }

    /// Asks it to end, and waits until it has drained.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process.take().expect("backref runs").end(Signal::TERM)
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("backref runs").end(Signal::KILL);
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.running().peak_memory()
    }

    /// What it said since it was started last.
    pub(crate) fn log(&self) -> String {
        self.running().stderr()
    }

    /// What it said on standard output.
    pub(crate) fn announced(&self) -> String {
        self.running().stdout()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("backref runs")
    }
}

impl Drop for Backref {
    fn drop(&mut self) {
        // All that it will ever log.
        drop(self.process.take());
        if !std::thread::panicking() {
            secrets::assert_none_in_logs(self.directory());
        }
    }
}

/// The two addresses in `backref VERSION listens on http://A (admin http://B), upstream …`.
fn addresses(stdout: &str) -> Option<(String, String)> {
    // A line that has no end yet may be cut anywhere.
    let (line, _) = stdout.split_once('\n')?;
    let (_, rest) = line.split_once(" listens on http").expect("the first line says where it listens");
    let (_, rest) = rest.split_once("://").expect("and over what");
    let (listen, rest) = rest.split_once(" (admin http://").expect("and where its admin listener is");
    let (admin, _) = rest.split_once(')').expect("in parentheses");
    Some((listen.to_owned(), admin.to_owned()))
}
