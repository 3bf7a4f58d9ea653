//! The admin listener is there when nothing else is: whoever holds its connections, and without a descriptor left.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::stand::Stand;
use crate::support::http;
use crate::support::{Backref, Holdings, until};
use crate::wire::Wire;

/// Far less than a connection may be idle there.
const AT_ONCE: Duration = Duration::from_secs(2);

fn assert_alive(backref: &Backref) {
    let asked = Instant::now();
    assert_eq!(http::get(&format!("{}/livez", backref.admin_url()), &[]).status, 200);
    assert!(asked.elapsed() < AT_ONCE, "alive after {:?}", asked.elapsed());
}

#[test]
fn admin_answers_at_once_while_others_hold_its_connections() {
    let stand = Stand::up(Holdings::serve);
    let admin = stand.backref.admin_url();
    let host = admin.strip_prefix("http://").expect("a URL");
    let mut held = Vec::new();
    for begun in ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for _ in 0..100 {
            let mut wire = Wire::to(host);
            wire.send(begun);
            held.push(wire);
        }
        assert_alive(&stand.backref);
    }
    // Who was answered just now is the last to make room.
    let mut kept = Wire::to(host);
    for _ in 0..5 {
        kept.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(kept.answer().head.status(), 200);
        for _ in 0..10 {
            held.push(Wire::to(host));
        }
        assert_alive(&stand.backref);
    }
}

/// Leaves no descriptor free.
fn starve(backref: &Backref) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", backref.pid())).expect("it runs").flatten();
    let taken: Vec<u64> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let first_free = (0..=taken.len() as u64).find(|number| !taken.contains(number)).expect("a number");
    limit(backref, first_free);
}

fn limit(backref: &Backref, files: u64) {
    let pid = Pid::from_raw(i32::try_from(backref.pid()).expect("a process id")).expect("not zero");
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(files), maximum: hard }).expect("it is ours");
}

#[test]
fn admin_accepts_without_a_free_file_descriptor_and_says_so_once_in_a_while() {
    let stand = Stand::up(Holdings::serve);
    assert_alive(&stand.backref);
    let started = Instant::now();
    starve(&stand.backref);
    let waiting: Vec<_> =
        (0..20).map(|_| TcpStream::connect(stand.backref.host()).expect("a place in the queue")).collect();
    let lines = || {
        let log = stand.backref.log();
        let lines = log.lines().filter(|line| line.contains("could not be accepted") && line.contains("os error 24"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let failures = until("more failures than lines", || {
        let lines = lines();
        assert!(lines.len() as u64 <= started.elapsed().as_secs() / 10 + 1, "{lines:#?}");
        let count = |line: &String| line.split("left_out=").nth(1)?.split_whitespace().next()?.parse::<usize>().ok();
        let failures: usize = lines.iter().filter_map(count).sum();
        (lines.len() >= 2).then_some(failures)
    });
    assert!(failures > 10, "{failures} failures in {:#?}", lines());
    for _ in 0..100 {
        assert_alive(&stand.backref);
    }
    let ready = http::get(&format!("{}/readyz", stand.backref.admin_url()), &[]);
    assert!(ready.text().contains("store: "), "{ready:?}");
    // Who waited is served when there are descriptors again.
    limit(&stand.backref, 1000);
    drop(waiting);
    assert_eq!(http::get(&stand.backref.url(), &[]).status, 200);
}
