//! No space for the database file to grow: pushes with a subject are refused before the upstream sees them, everything
//! else goes on, and so do these pushes when there is space again.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::manifests::{path, plain, push, push_as};
use crate::stand::Stand;
use crate::support::{Backref, Holdings, http, until};
use crate::wire::error_code;

/// A backref to which a limit on file sizes is an error, as a full disk is, and not the signal that ends a process.
pub(crate) struct Limited {
    child: Child,
}

impl Limited {
    /// In the place of one that has ended: on its ports, its store, its configuration.
    pub(crate) fn start(ended: &Backref) -> Self {
        let serve = ended.command("serve");
        let mut command = Command::new("env");
        command.arg("--ignore-signal=XFSZ").arg(serve.get_program()).args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let admin = ended.admin_url();
        command.args(["--listen", ended.host(), "--admin", admin.strip_prefix("http://").expect("a URL")]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("env of the GNU core utilities");
        until("backref to answer", || http::answers(ended.host()).then_some(()));
        Self { child }
    }

    /// No file may grow beyond that many bytes. `None`: as it was.
    pub(crate) fn limit(&self, bytes: Option<u64>) {
        let inherited = getrlimit(Resource::Fsize);
        let new = Rlimit { current: bytes.or(inherited.current), maximum: inherited.maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, new).expect("it is ours");
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

#[test]
fn disk_full_stops_recording_alone_until_there_is_space_again() {
    let mut stand = Stand::on_sqlite(Holdings::serve);
    stand.backref.terminate();
    let limited = Limited::start(&stand.backref);
    let host = stand.backref.host().to_owned();
    let ready = || http::get(&format!("{}/readyz", stand.backref.admin_url()), &[]);
    let first = push(&host, &stand.referrer("first"));
    assert_eq!(ready().status, 200);

    // The log that every commit is appended to has no space any more.
    let log = format!("{}-wal", stand.backref.database().display());
    limited.limit(Some(fs::metadata(log).expect("SQLite's log").len()));
    for reference in ["v1", "v2", "v3"] {
        let answer = push_as(&host, reference, &stand.referrer("refused"));
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
        assert!(answer.header("Retry-After").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    }
    assert_eq!(stand.fake.count("PUT"), 1, "the upstream was asked to take what can't be recorded");
    assert_eq!(stand.listed(), [first.as_str()]);
    assert_eq!(push_as(&host, "v4", &plain("plain")).status, 201);
    assert_eq!(http::get(&format!("http://{host}{}", path("v4")), &[]).body, plain("plain"));
    let text = until("backref to say that it is not ready", || {
        let answer = ready();
        (answer.status == 503).then(|| answer.text())
    });
    assert!(text.contains("store: the database cannot be used: ") && text.contains("upstream: ready"), "{text}");

    limited.limit(None);
    let second = push(&host, &stand.referrer("second"));
    assert_eq!(stand.listed(), [first.as_str(), &second]);
    until("backref to be ready again", || (ready().status == 200).then_some(()));

    // And what was recorded is in the file.
    drop(limited);
    stand.backref.start();
    assert_eq!(stand.listed(), [first, second]);
}

#[test]
fn disk_full_after_the_registry_took_a_push_leaves_the_write_unresolved() {
    let put = crate::stand::Hold::new("PUT");
    let hold = put.clone();
    let mut stand = Stand::on_sqlite(move |holdings, visit| hold.serve(holdings, visit));
    put.act.open();
    stand.backref.terminate();
    let limited = Limited::start(&stand.backref);
    let manifest = stand.referrer("a");
    let client = stand.push_meanwhile(&manifest);
    put.answer.wait_for(1);
    limited.limit(Some(1));
    put.answer.open();
    let answer = client.join().expect("an answer");
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
    assert_eq!(answer.headers.get("OCI-Subject"), None, "it is not recorded");
    limited.limit(None);
    drop(limited);
    stand.backref.start();
    assert_eq!(stand.listed(), [crate::support::sha256(&manifest)]);
}
