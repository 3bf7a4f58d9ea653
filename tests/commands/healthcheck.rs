//! `backref healthcheck`: what a container's own check is told.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::finish;
use crate::support::{Backref, Kind, Registry};

fn check(of: &Backref, admin: &str) -> crate::run::Ran {
    let mut command = Command::new(of.command("healthcheck").get_program());
    command.env_clear().args(["healthcheck", "--upstream", "http://127.0.0.1:1", "--admin", admin]);
    finish(&command)
}

#[test]
fn healthcheck_tells_whether_serve_is_ready_and_opens_no_database() {
    let registry = Registry::of(Kind::Distribution2).start();
    let mut backref = Backref::of(&registry.url()).start();
    let admin = backref.admin_url().replace("http://", "");
    let started = Instant::now();
    let ran = check(&backref, &admin);
    assert!(ran.code == Some(0) && ran.stdout.lines().any(|line| line == "store: ready"), "{ran:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // Whoever listens everywhere is asked here.
    let port = admin.rsplit(':').next().expect("a port");
    assert_eq!(check(&backref, &format!("0.0.0.0:{port}")).code, Some(0));
    backref.terminate();
    let ran = check(&backref, &admin);
    assert!(ran.code == Some(1) && ran.stderr.contains("refused"), "{ran:?}");
}
