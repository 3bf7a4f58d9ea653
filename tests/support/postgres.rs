//! A PostgreSQL server, with its files in a folder of its own, as another user than root.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Process, until};

/// A server. Dropped, it is stopped at once, with all its processes.
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    server: Option<Process>,
    databases: AtomicU32,
}

/// The one on which whole suites have their databases. It lives on a thread of its own, since it ends with the thread that
/// started it.
static SHARED: LazyLock<Arc<Postgres>> = LazyLock::new(|| {
    let (sender, started) = mpsc::channel();
    thread::spawn(move || {
        // What a crash of it leaves is another test's business.
        let server = Arc::new(Postgres::start(&["fsync=off", "max_connections=1000"]));
        sender.send(server.clone()).expect("somebody waits");
        thread::park();
    });
    started.recv().expect("a server")
});

/// Where Debian has the newest server's programs.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's postgresql, which tests/run installs");
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.expect("readable").path()).collect();
    versions.sort();
    versions.pop().expect("a version").join("bin").join(name)
}

/// The server doesn't run as root.
fn as_its_user(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    // When the test's process ends, however it does, so does the server.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Postgres {
    /// The one that all of this process share. What it holds is nobody's else, but for the databases' names.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// The same with a certificate.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Self {
        let mut postgres = Self::made(&["fsync=off", "ssl=on"]);
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = postgres.folder.path().join("data").join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
            if rustix::process::getuid().is_root() {
                run(Command::new("chown").arg("postgres:").arg(&path));
            }
        }
        postgres.resume();
        postgres
    }

    /// From now on a role has to know its password.
    pub(crate) fn ask_for_a_password_of(&self, role: &str) {
        let path = self.folder.path().join("data/pg_hba.conf");
        let others = fs::read_to_string(&path).expect("readable");
        fs::write(&path, format!("host all {role} all scram-sha-256\n{others}")).expect("written");
        self.psql("postgres", "SELECT pg_reload_conf()").expect("it reads it");
    }

    /// Starts a new one, with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let mut postgres = Self::made(settings);
        postgres.resume();
        postgres
    }

    fn made(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a folder");
        if rustix::process::getuid().is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()));
        }
        let data = folder.path().join("data");
        run(as_its_user(&program("initdb"))
            .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--pgdata"])
            .arg(&data)
            .current_dir("/"));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { folder, port, settings, server: None, databases: AtomicU32::new(0) }
    }

    /// Starts it again after a stop.
    pub(crate) fn resume(&mut self) {
        let mut command = as_its_user(&program("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-c", "listen_addresses=127.0.0.1", "-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        self.server = Some(Process::start("postgres", &mut command, self.folder.path()));
        until("postgres answers", || self.psql("postgres", "SELECT 1").ok());
    }

    /// As a power cut: nothing is written that was not.
    pub(crate) fn stop_immediately(&mut self) {
        self.server.take().expect("it runs").end(Signal::QUIT);
    }

    /// A new, empty database; gives its URL.
    pub(crate) fn database(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}")).expect("a database");
        self.url(&name)
    }

    /// Where a database is.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().expect("it runs").stderr()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What an operator's `psql` says.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url(database));
        let output = command.output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end(Signal::QUIT);
        }
    }
}
