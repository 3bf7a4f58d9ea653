//! `backref probe`: whether referrers work somewhere.

use crate::run::finish;
use crate::stand::up;
use crate::support::{Kind, Registry, http};

fn probe(of: &crate::support::Backref, reference: &str) -> crate::run::Ran {
    let mut command = std::process::Command::new(of.command("probe").get_program());
    command.env_clear().args(["probe", reference]);
    finish(&command)
}

#[test]
fn probe_pushes_lists_and_deletes_through_backref() {
    let stand = up(Kind::Distribution2);
    let ran = probe(&stand.backref, &format!("{}/tried", stand.backref.host()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().filter(|line| line.starts_with("OK")).count(), 3, "{ran:?}");
    assert_eq!(stand.backref.sql("SELECT count(*) FROM referrer WHERE state = 'listed'"), "0");
    // The registry itself has no list.
    let ran = probe(&stand.backref, &format!("http://{}/tried", stand.registry.host()));
    assert!(ran.code == Some(1) && ran.stdout.contains("there is no list of referrers"), "{ran:?}");
    assert!(http::tags(stand.registry.host(), "tried").is_empty());
}

#[test]
fn probe_says_what_is_refused() {
    let registry = Registry::of(Kind::Distribution2).deletes(false).start();
    let backref = crate::support::Backref::of(&registry.url()).start();
    let ran = probe(&backref, &format!("{}/tried", backref.host()));
    assert!(ran.code == Some(0) && ran.stdout.contains("WARN  deletes are refused there"), "{ran:?}");
    let ran = probe(&backref, "nowhere");
    assert!(ran.code == Some(2) && ran.stderr.contains("is not HOST[:PORT]/NAME"), "{ran:?}");
    let ran = probe(&backref, "127.0.0.1:1/tried");
    assert!(ran.code == Some(1) && ran.stderr.contains("refused"), "{ran:?}");
}
