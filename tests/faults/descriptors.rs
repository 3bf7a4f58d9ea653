//! The limit on open files: raised as far as the system allows, and logged where that is not enough.

use crate::support::{Backref, BackrefOptions, Fake, served, until};
use crate::wire::Wire;

const GET: &str = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";

fn start(options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> (Backref, Fake) {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], "x"));
    (options(Backref::of(&fake.url())).start(), fake)
}

fn open_files(backref: &Backref) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", backref.pid())).expect("it runs");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let words: Vec<_> = line.split_whitespace().collect();
    (words[3].to_owned(), words[4].to_owned())
}

#[test]
fn limits_on_open_files_are_raised_to_what_the_system_allows() {
    let (backref, _fake) = start(|backref| backref.shell("ulimit -S -n 300").config("[limits]\nconnections = 200\n"));
    let (soft, hard) = open_files(&backref);
    assert_eq!(soft, hard);
    assert_ne!(soft, "300");
    assert!(!backref.log().contains("limits.connections"), "{}", backref.log());
}

#[test]
fn limits_on_open_files_make_further_connections_wait_and_are_logged() {
    let (backref, _fake) = start(|backref| backref.shell("ulimit -n 300").config("workers = 1\n"));
    assert!(backref.log().contains("limits.connections is 10000"), "{}", backref.log());
    let mut wires: Vec<_> = (0..120).map(|_| Wire::to(backref.host())).collect();
    for wire in &mut wires[..75] {
        wire.send(GET);
        assert_eq!(wire.answer().text(), "x");
    }
    // The others are not let in, and nothing fails for want of a descriptor.
    let open = std::fs::read_dir(format!("/proc/{}/fd", backref.pid())).expect("it runs").count();
    assert!(open < 200, "{open} files are open");
    assert!(!backref.log().contains("could not be accepted"), "{}", backref.log());
    let mut waiting = wires.split_off(75);
    drop(wires);
    for wire in &mut waiting {
        wire.send(GET);
        assert_eq!(wire.answer().text(), "x");
    }
    drop(waiting);
    until("all of them to be gone", || (served(&backref) == 0).then_some(()));
}
