//! The drain: requests on their way are finished, no new ones are taken, and a second signal ends backref at once.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::stand::{Hold, Stand};
use crate::support::{Backref, Gate, Holdings, sha256, until};
use crate::support::{http, served};
use crate::wire::Wire;

fn signal(backref: &Backref, signal: Signal) {
    let pid = i32::try_from(backref.pid()).expect("a process id");
    kill_process(Pid::from_raw(pid).expect("not zero"), signal).expect("it is not waited for yet");
}

/// Ended, and only waiting to be waited for.
fn has_ended(backref: &Backref) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", backref.pid())).expect("it is not waited for yet");
    status.lines().any(|line| line.starts_with("State:\tZ"))
}

fn refuses_connections(backref: &Backref) -> bool {
    TcpStream::connect(backref.host()).is_err()
}

fn held(config: &str) -> (Stand, Hold) {
    let put = Hold::new("PUT");
    let hold = put.clone();
    put.act.open();
    let serve = move |holdings: &_, visit: &mut _| hold.serve(holdings, visit);
    (Stand::with(serve, |backref| backref.config(config)), put)
}

#[test]
fn drain_finishes_a_push_on_its_way() {
    for by in [Signal::TERM, Signal::INT] {
        let (mut stand, put) = held("");
        let manifest = stand.referrer("a");
        let client = stand.push_meanwhile(&manifest);
        put.answer.wait_for(1);
        signal(&stand.backref, by);
        until("new connections to be refused", || refuses_connections(&stand.backref).then_some(()));
        assert!(!has_ended(&stand.backref), "it did not wait for the push");
        put.answer.open();
        let answer = client.join().expect("an answer");
        assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()));
        until("the end", || has_ended(&stand.backref).then_some(()));
        assert_eq!(stand.backref.terminate().code(), Some(0));
        stand.backref.start();
        assert_eq!(stand.listed(), [sha256(&manifest)]);
    }
}

#[test]
fn drain_finishes_a_push_whose_client_has_disconnected() {
    let (mut stand, put) = held("");
    let manifest = stand.referrer("a");
    let (head, body) = crate::stand::push_request(&manifest);
    let mut wire = Wire::to(stand.backref.host());
    wire.send([head.as_bytes(), &body].concat());
    put.answer.wait_for(1);
    drop(wire);
    until("the client's leaving to be noticed", || (served(&stand.backref) == 0).then_some(()));
    signal(&stand.backref, Signal::TERM);
    until("new connections to be refused", || refuses_connections(&stand.backref).then_some(()));
    assert!(!has_ended(&stand.backref), "it did not wait for the push");
    put.answer.open();
    until("the end", || has_ended(&stand.backref).then_some(()));
    assert_eq!(stand.backref.terminate().code(), Some(0));
    // Recorded, not left open: nothing is asked when it is listed, but for a list of the registry's own.
    stand.backref.start();
    stand.backref.wait_for_orphans();
    assert_eq!(stand.listed(), [sha256(&manifest)]);
    let asked: Vec<_> = stand.fake.seen().into_iter().filter(|seen| seen.head.method() == "GET").collect();
    assert!(asked.iter().all(|seen| seen.head.target().contains("/referrers/")), "{asked:?}");
}

#[test]
fn drain_finishes_a_download_and_closes_idle_connections() {
    let (first, go_on) = (Gate::default(), Gate::default());
    let (begun, rest) = (first.clone(), go_on.clone());
    let mut stand = Stand::up(move |holdings, visit| {
        if visit.head.target() == "/slow" {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            begun.open();
            rest.pass();
            visit.send("-last");
        } else {
            holdings.serve(visit);
        }
    });
    let mut idle = Wire::to(stand.backref.host());
    idle.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.answer().head.status(), 200);
    let mut slow = Wire::to(stand.backref.host());
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    first.pass();
    assert_eq!(slow.head().status(), 200);
    signal(&stand.backref, Signal::TERM);
    assert_eq!(idle.rest(), b"");
    go_on.open();
    assert_eq!(slow.rest(), b"first-last");
    until("the end", || has_ended(&stand.backref).then_some(()));
    assert_eq!(stand.backref.terminate().code(), Some(0));
}

#[test]
fn drain_ends_at_once_on_a_second_signal() {
    let (mut stand, put) = held("");
    let manifest = stand.referrer("a");
    let client = stand.push_meanwhile(&manifest);
    put.answer.wait_for(1);
    signal(&stand.backref, Signal::TERM);
    until("new connections to be refused", || refuses_connections(&stand.backref).then_some(()));
    assert_ne!(stand.backref.terminate().code(), Some(0));
    client.join().expect_err("no answer came, least of all a good one");
    put.answer.open();
    // Nothing acknowledged is lost by that, and what was not is found.
    stand.backref.start();
    stand.backref.wait_for_orphans();
    assert_eq!(stand.listed(), [sha256(&manifest)]);
}

#[test]
fn drain_ends_after_the_drain_timeout() {
    let (mut stand, put) = held("[limits]\ndrain_timeout = \"300ms\"\n");
    let manifest = stand.referrer("a");
    let client = stand.push_meanwhile(&manifest);
    put.answer.wait_for(1);
    signal(&stand.backref, Signal::TERM);
    until("the end", || has_ended(&stand.backref).then_some(()));
    stand.backref.terminate();
    client.join().expect_err("no answer came");
    put.answer.open();
}

fn ready(backref: &Backref) -> (u16, String) {
    let answer = http::get(&format!("{}/readyz", backref.admin_url()), &[]);
    (answer.status, answer.text())
}

#[test]
fn drain_delay_reports_not_ready_and_still_takes_connections() {
    let mut stand = Stand::with(Holdings::serve, |backref| backref.config("[limits]\ndrain_delay = \"3s\"\n"));
    let get = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut kept = Wire::to(stand.backref.host());
    kept.send(get);
    assert_eq!(kept.answer().head.values("Connection"), [""; 0]);
    let asked = Instant::now();
    signal(&stand.backref, Signal::TERM);
    let text = until("backref to say that it is not ready", || {
        let (status, text) = ready(&stand.backref);
        (status == 503).then_some(text)
    });
    assert!(text.starts_with("process: shutting down\nstore: ready\n"), "{text}");
    assert_eq!(http::get(&format!("{}/livez", stand.backref.admin_url()), &[]).status, 200);
    // Old connections and new ones are served, and end with their answer: the next one is opened elsewhere.
    for wire in [&mut kept, &mut Wire::to(stand.backref.host())] {
        wire.send(get);
        assert_eq!(wire.answer().head.values("Connection"), ["close"]);
        assert_eq!(wire.rest(), b"");
    }
    assert!(stand.backref.log().contains("not ready any more"), "{}", stand.backref.log());
    assert!(!stand.backref.log().contains("draining requests"), "{}", stand.backref.log());
    until("the end", || has_ended(&stand.backref).then_some(()));
    assert!(asked.elapsed() >= Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(stand.backref.log().contains("shutting down: draining requests"), "{}", stand.backref.log());
    assert_eq!(stand.backref.terminate().code(), Some(0));
}

#[test]
fn drain_reports_not_ready_while_a_push_is_finished() {
    let (mut stand, put) = held("");
    let client = stand.push_meanwhile(&stand.referrer("a"));
    put.answer.wait_for(1);
    signal(&stand.backref, Signal::TERM);
    until("new connections to be refused", || refuses_connections(&stand.backref).then_some(()));
    assert_eq!(ready(&stand.backref).0, 503);
    put.answer.open();
    assert_eq!(client.join().expect("an answer").status, 201);
    until("the end", || has_ended(&stand.backref).then_some(()));
    assert_eq!(stand.backref.terminate().code(), Some(0));
}

#[test]
fn drain_delay_ends_on_a_second_signal() {
    let mut stand = Stand::with(Holdings::serve, |backref| backref.config("[limits]\ndrain_delay = \"10m\"\n"));
    signal(&stand.backref, Signal::TERM);
    until("backref to say that it is not ready", || (ready(&stand.backref).0 == 503).then_some(()));
    assert_eq!(stand.backref.terminate().code(), Some(1));
}
