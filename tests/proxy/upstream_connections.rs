//! The bound on connections to the upstream.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::support::{Backref, Fake, Gate, opened, served, until};
use crate::wire::{Wire, ask, error_code};

const GET: &str = "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn upstream_connections_are_waited_for_when_all_are_in_use() {
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit| {
        held.pass();
        visit.answer("200 OK", &[], "x");
    });
    let config = "workers = 2\n[upstream]\nconnections = 2\nconnect_timeout = \"1m\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| ask(backref.host(), GET))).collect();
        gate.wait_for(2);
        until("all clients to be connected, and read", || (served(&backref) == 8).then_some(()));
        assert_eq!((fake.seen().len(), opened(backref.pid(), &fake.host())), (2, 2));
        gate.open();
        for asking in asking {
            assert_eq!(asking.join().expect("an answer").text(), "x");
        }
    });
    assert_eq!(fake.seen().len(), 8);
}

#[test]
fn upstream_connections_that_stay_in_use_give_503() {
    let never = Gate::default();
    let held = never.clone();
    let fake = Fake::start(move |visit| {
        if visit.head.target() == "/slow" {
            held.pass();
        }
        visit.answer("200 OK", &[], "x");
    });
    let config = "[upstream]\nconnections = 1\nconnect_timeout = \"300ms\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let mut slow = Wire::to(backref.host());
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    never.wait_for(1);
    let answer = ask(backref.host(), GET);
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
    assert_eq!(answer.head.values("Retry-After").len(), 1);
    assert_eq!(fake.seen().len(), 1, "nothing was sent");
    never.open();
    assert_eq!(slow.answer().text(), "x");
    assert_eq!(ask(backref.host(), GET).text(), "x");
}

#[test]
fn upstream_connections_that_one_worker_leaves_unused_go_to_another() {
    // With a bound of one connection, none can be opened or closed while a request is on its way.
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, pid) = (most.clone(), Arc::new(OnceLock::new()));
    let of = pid.clone();
    let fake = Fake::start(move |visit| {
        let host = visit.head.header("Host").expect("the upstream's own").to_owned();
        counted.fetch_max(opened(*of.wait(), &host), Ordering::SeqCst);
        visit.answer("200 OK", &[], "x");
    });
    let config = "workers = 4\n[upstream]\nconnections = 1\nconnect_timeout = \"1m\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    pid.set(backref.pid()).expect("once");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    // A connection of its own each, so that any worker may get it.
                    assert_eq!(ask(backref.host(), GET).text(), "x");
                }
            });
        }
    });
    assert_eq!((fake.seen().len(), most.load(Ordering::SeqCst)), (40, 1));
}

#[test]
fn upstream_connections_count_until_they_are_closed() {
    let never = Gate::default();
    let held = never.clone();
    let fake = Fake::start(move |visit| {
        if visit.head.target() == "/large" {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst");
            held.pass();
        } else {
            visit.answer("200 OK", &[], "x");
        }
    });
    let backref = Backref::of(&fake.url()).config("[upstream]\nconnections = 1\n").start();
    for _ in 0..3 {
        let mut large = Wire::to(backref.host());
        large.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(large.head().status(), 200);
        let mut waiting = Wire::to(backref.host());
        waiting.send(GET);
        assert!(waiting.is_silent_for(Duration::from_millis(100)), "a second connection was opened");
        // A client that disconnects before the end of an answer frees the upstream connection.
        drop(large);
        assert_eq!(waiting.answer().text(), "x");
    }
    never.open();
}

#[test]
fn upstream_connections_are_not_kept_for_waiters_who_left() {
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit| {
        if visit.head.target() == "/slow" {
            held.pass();
        }
        visit.answer("200 OK", &[], "x");
    });
    let backref = Backref::of(&fake.url()).config("[upstream]\nconnections = 1\n").start();
    let mut slow = Wire::to(backref.host());
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.wait_for(1);
    for _ in 0..5 {
        let mut leaving = Wire::to(backref.host());
        leaving.send(GET);
        until("it to be connected, and read", || (served(&backref) == 2).then_some(()));
        drop(leaving);
        until("backref to see that it left", || (served(&backref) == 1).then_some(()));
    }
    gate.open();
    assert_eq!(slow.answer().text(), "x");
    assert_eq!(ask(backref.host(), GET).text(), "x");
    assert_eq!(fake.count("GET"), 2, "nothing was asked for those who left");
}

/// Blobs that their client takes nothing of hold connections to the upstream; others have theirs all the same.
#[test]
fn upstream_connections_are_not_all_for_one_caller() {
    let body = vec![b'x'; 8 << 20];
    let fake = Fake::start(move |visit| {
        let body: &[u8] = if visit.head.target() == "/v2/app/blobs/x" { &body } else { b"" };
        visit.answer("200 OK", &[], body);
    });
    let config = "[upstream]\nconnections = 40\nconnect_timeout = \"300ms\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let mut held = Vec::new();
    for _ in 0..60 {
        let mut wire = Wire::from([127, 0, 0, 2], backref.host(), true);
        wire.send(GET);
        held.push(wire);
    }
    // Half of them are anybody's; of the others, a caller has a quarter.
    until("all that one caller gets", || (opened(backref.pid(), &fake.host()) == 25).then_some(()));
    let mut refused = 0;
    for wire in &mut held {
        refused += usize::from(wire.head().status() == 503);
    }
    assert_eq!(refused, 35);
    for _ in 0..5 {
        let mut other = Wire::from([127, 0, 0, 3], backref.host(), false);
        other.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(other.answer().head.status(), 200);
    }
    drop(held);
}
