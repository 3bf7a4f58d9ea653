//! Real upstreams: CNCF distribution, each in a directory of its own.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Process;
use super::{TokenServer, http, registry_config, tool};

/// Which registry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// 2.8, as Debian has it.
    Distribution2,
    /// 3, built from `tests/tools`.
    Distribution3,
}

/// How the registry finds out who asks.
pub(super) enum Auth {
    Open,
    Htpasswd(Vec<(String, String)>),
    Tokens { realm: String, service: &'static str, issuer: &'static str, certificate: String },
}

/// A registry that is not started yet. It takes deletes and asks for nothing, unless told otherwise.
pub(crate) struct RegistryOptions {
    kind: Kind,
    pub(super) deletes: bool,
    pub(super) auth: Auth,
}

/// A registry that answers.
pub(crate) struct Registry {
    kind: Kind,
    process: Option<Process>,
    starts: u32,
    address: String,
    directory: TempDir,
}

impl RegistryOptions {
    /// Whether manifests and blobs may be deleted.
    pub(crate) fn deletes(mut self, allowed: bool) -> Self {
        self.deletes = allowed;
        self
    }

    /// Basic authentication, for everything or nothing: the registry knows no rights.
    pub(crate) fn htpasswd(mut self, users: &[(&str, &str)]) -> Self {
        let owned = |(user, password): &(&str, &str)| ((*user).to_owned(), (*password).to_owned());
        self.auth = Auth::Htpasswd(users.iter().map(owned).collect());
        self
    }

    /// Tokens, with rights by repository.
    pub(crate) fn tokens(mut self, server: &TokenServer) -> Self {
        self.auth = Auth::Tokens {
            realm: server.realm(),
            service: TokenServer::SERVICE,
            issuer: TokenServer::ISSUER,
            certificate: server.certificate(),
        };
        self
    }

    pub(crate) fn start(self) -> Registry {
        let directory = tempfile::Builder::new().prefix("registry-").tempdir().expect("a directory");
        // Port 0: the registry takes a free port and says which, so two tests never get the same one.
        registry_config::write(&self, "127.0.0.1:0", directory.path());
        let mut registry = Registry { kind: self.kind, process: None, starts: 0, address: String::new(), directory };
        registry.start();
        // From now on the same port, so that a registry that comes back is found where it was.
        registry_config::write(&self, &registry.address, registry.directory.path());
        registry
    }
}

impl Registry {
    pub(crate) fn of(kind: Kind) -> RegistryOptions {
        RegistryOptions { kind, deletes: true, auth: Auth::Open }
    }

    pub(crate) fn distribution_2() -> RegistryOptions {
        Self::of(Kind::Distribution2)
    }

    pub(crate) fn distribution_3() -> RegistryOptions {
        Self::of(Kind::Distribution3)
    }

    /// `host:port`, as it stands in references.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it, or starts it again: the same port, the same storage.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "the registry runs already");
        let mut command = self.command(&["serve"]);
        // Logs of its own for each start: the address is read from them.
        self.starts += 1;
        let name = format!("registry-{}", self.starts);
        let mut process = Process::start(&name, &mut command, self.directory.path());
        self.address = process.wait_for("the address it listens on", |process| listening_on(&process.stderr()));
        // 401 is an answer too.
        process.wait_for("an answer to /v2/", |_| http::answers(&self.address).then_some(()));
        self.process = Some(process);
    }

    /// Started again, it tells that address of what happens to manifests, with a bearer token.
    #[allow(dead_code, reason = "not every suite has such")]
    pub(crate) fn notify(&mut self, url: &str, token: &str) {
        let path = self.directory.path().join("config.yml");
        let endpoint = format!(
            "notifications:\n  endpoints:\n    - {{name: backref, url: \"{url}\", \
             headers: {{Authorization: [\"Bearer {token}\"]}}, timeout: 1s, threshold: 3, backoff: 1s}}\n"
        );
        let config = std::fs::read_to_string(&path).expect("its configuration") + &endpoint;
        std::fs::write(&path, config).expect("its configuration");
        self.stop();
        self.start();
    }

    /// Stops it, as a crash would.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("the registry runs");
        process.end(Signal::KILL);
    }

    /// Deletes what nothing refers to, as an operator does while it is stopped; with `--delete-untagged` manifests as well.
    pub(crate) fn collect_garbage(&self, flags: &[&str]) {
        assert!(self.process.is_none(), "the registry runs: it would lose what is pushed meanwhile");
        let output = self.command(&[&["garbage-collect"], flags].concat()).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// One of its commands on its configuration.
    fn command(&self, arguments: &[&str]) -> Command {
        let program = match self.kind {
            Kind::Distribution2 => "docker-registry",
            Kind::Distribution3 => "registry3",
        };
        let mut command = Command::new(tool(program));
        // Nothing of the caller's environment: REGISTRY_* would override the file.
        command.env_clear().args(arguments).arg(self.directory.path().join("config.yml"));
        // 3.x would send traces to a collector that nobody runs, and complain.
        command.env("OTEL_TRACES_EXPORTER", "none");
        command
    }

    /// Freezes it: connections are taken by the system, answers stay away.
    pub(crate) fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.running().signal(Signal::CONT);
    }

    /// Where repositories and blobs are kept.
    pub(crate) fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    /// The requests that were answered since it was started last, as `GET /v2/ 200`. One that a client has the answer
    /// to may not be here yet: wait for it.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.running().stdout().lines().filter_map(request).collect()
    }

    /// The tags of a repository, asked of the registry itself.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        http::tags(self.host(), repository)
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the registry runs")
    }
}

/// The address in distribution's own line about it.
fn listening_on(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let (address, _) = rest.split_once('"')?;
    Some(address.to_owned())
}

/// A line of the access log, without what differs from run to run.
fn request(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let (request, _version) = request.rsplit_once(' ')?;
    let status = rest.split_whitespace().next()?;
    Some(format!("{request} {status}"))
}
