//! Idle connections: the memory that they hold, and that they take further requests.

use std::time::Duration;

use crate::support::{Backref, Fake};
use crate::wire::Wire;

const CONNECTIONS: u64 = 1000;

/// What an idle connection may take, in bytes.
const EACH: u64 = 10 << 10;

const GET: &str = "GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ";

fn up() -> (Backref, Fake) {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], "x"));
    // One worker: what it has taken from the system, all of its connections can use.
    (Backref::of(&fake.url()).config("workers = 1\n").start(), fake)
}

fn memory(backref: &Backref) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", backref.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process that lives has it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") << 10
}

fn ask(wire: &mut Wire) {
    wire.send(format!("{GET}{}\r\n\r\n", "x".repeat(1000)));
    assert_eq!(wire.answer().text(), "x");
}

#[test]
fn listener_idle_connections_hold_little_memory_that_later_ones_use_again() {
    let (backref, _fake) = up();
    // What is made once.
    for _ in 0..50 {
        ask(&mut Wire::to(backref.host()));
    }
    let before = memory(&backref);
    for round in 0..3 {
        let mut wires = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut wire = Wire::to(backref.host());
            // One after the other: only what they hold when all is over counts.
            ask(&mut wire);
            wires.push(wire);
        }
        let idle = memory(&backref) - before;
        assert!(idle <= CONNECTIONS * EACH, "round {round}: {} bytes each", idle / CONNECTIONS);
    }
    let mut silent: Vec<_> = (0..CONNECTIONS).map(|_| Wire::to(backref.host())).collect();
    // All of them were taken.
    ask(silent.last_mut().expect("the last"));
    let idle = memory(&backref) - before;
    assert!(idle <= CONNECTIONS * EACH, "before the first request: {} bytes each", idle / CONNECTIONS);
}

#[test]
fn listener_takes_a_request_in_any_pieces_on_an_idle_connection() {
    let (backref, fake) = up();
    let mut wire = Wire::to(backref.host());
    let request = format!("{GET}x\r\n\r\n");
    for cut in [0, 1, 2, 20, request.len() - 1] {
        // Whether backref has put it to rest is not seen from here; it is after a tenth of a second.
        assert!(wire.is_silent_for(Duration::from_millis(250)));
        let (start, rest) = request.split_at(cut);
        wire.send(start);
        assert!(wire.is_silent_for(Duration::from_millis(250)), "half a request was answered");
        wire.send(rest);
        assert_eq!(wire.answer().text(), "x", "{cut}");
        ask(&mut wire);
    }
    assert_eq!(fake.seen().len(), 10);
}

#[test]
fn listener_closes_an_idle_connection_in_time() {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], "x"));
    let backref = Backref::of(&fake.url()).config("[limits]\nhead_timeout = \"400ms\"\n").start();
    let mut wire = Wire::to(backref.host());
    ask(&mut wire);
    assert!(wire.is_silent_for(Duration::from_millis(200)));
    // The time for a head begins with the end of the answer before it.
    wire.send("GET");
    let asked = std::time::Instant::now();
    assert_eq!(wire.answer().head.status(), 408);
    assert!(asked.elapsed() < Duration::from_millis(350), "{:?}", asked.elapsed());
    assert_eq!(wire.rest(), b"");
}
