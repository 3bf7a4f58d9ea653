//! A PostgreSQL server, with its files in a folder of its own, as another user than root.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use super::until;

/// A server. Dropped, it is stopped at once, with all its processes, and its files are gone.
pub(crate) struct Postgres {
    folder: PathBuf,
    port: u16,
    /// Ends the server when the pipe to it closes, however this process ends, and removes the files.
    keeper: Mutex<Child>,
    databases: AtomicU32,
}

/// What keeps the server: each line on its input stops it as a power cut does, or starts it. It says when that is done.
const KEEPER: &str = r#"
folder=$1; shift
trap '' INT HUP
start() { "$@" 2>>"$folder/log" </dev/null >/dev/null & server=$!; }
stop() { [ -z "$server" ] || { kill -QUIT "$server" && wait "$server"; server=; }; }
while read -r what; do
    case $what in start) start "$@" ;; stop) stop ;; esac
    echo done
done
stop
rm -rf "$folder"
"#;

/// The one on which whole suites have their databases.
static SHARED: LazyLock<Postgres> =
    // What a crash of it leaves is another test's business.
    LazyLock::new(|| Postgres::start(&["fsync=off", "max_connections=1000"]));

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
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    // It may look at every path all the same: the root of a chroot may be root's alone.
    command.args(["--securebits=+no_setuid_fixup", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]);
    command.arg("--").arg(program);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Postgres {
    /// The one that all tests of this process share, each with databases of its own.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// The same with a certificate.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Self {
        let postgres = Self::made(&["fsync=off", "ssl=on"]);
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = postgres.folder.join("data").join(name);
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
        let path = self.folder.join("data/pg_hba.conf");
        let others = fs::read_to_string(&path).expect("readable");
        fs::write(&path, format!("host all {role} all scram-sha-256\n{others}")).expect("written");
        self.psql("postgres", "SELECT pg_reload_conf()").expect("it reads it");
    }

    /// Starts a new one, with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let postgres = Self::made(settings);
        postgres.resume();
        postgres
    }

    fn made(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a folder").keep();
        if rustix::process::getuid().is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder));
        }
        let data = folder.join("data");
        run(as_its_user(&program("initdb"))
            .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--pgdata"])
            .arg(&data)
            .current_dir("/"));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut server = as_its_user(&program("postgres"));
        server.arg("-D").arg(data).arg("-k").arg(&folder);
        server.args(["-c", "listen_addresses=127.0.0.1", "-p", &port.to_string()]);
        for setting in settings {
            server.args(["-c", setting]);
        }
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&folder).arg(server.get_program()).args(server.get_args());
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        Self { folder, port, keeper: Mutex::new(keeper), databases: AtomicU32::new(0) }
    }

    /// Starts it again after a stop.
    pub(crate) fn resume(&self) {
        self.tell("start");
        until("postgres answers", || self.psql("postgres", "SELECT 1").ok());
    }

    /// As a power cut: nothing is written that was not.
    pub(crate) fn stop_immediately(&self) {
        self.tell("stop");
    }

    fn tell(&self, what: &str) {
        let mut keeper = self.keeper.lock().expect("no one panicked with it");
        writeln!(keeper.stdin.as_mut().expect("piped"), "{what}").expect("somebody reads");
        let mut answer = [0; 5];
        keeper.stdout.as_mut().expect("piped").read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"done\n");
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
        fs::read_to_string(self.folder.join("log")).expect("readable")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What an operator's `psql` says.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        self.psql_all(database, &[sql])
    }

    /// The same of several statements, one after the other.
    pub(crate) fn psql_all(&self, database: &str, statements: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]).arg(self.url(database));
        for sql in statements {
            command.args(["-c", sql]);
        }
        let output = command.output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().expect("no one panicked with it");
        drop(keeper.stdin.take());
        keeper.wait().expect("the child is ours");
    }
}
