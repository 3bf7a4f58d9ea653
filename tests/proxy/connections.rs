//! Connections: kept on both sides, and what happens where one of them is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Backref, Fake, Gate, until};
use crate::wire::{Wire, ask};

const GET: &str = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn connections_are_reused_for_many_requests_on_each_side() {
    let fake = Fake::start(|visit| {
        let body = visit.body().expect("a whole body");
        visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], body);
    });
    let backref = Backref::of(&fake.url()).without_tags().start();
    let mut wire = Wire::to(backref.host());
    for number in 0..20 {
        let body = number.to_string();
        let length = body.len();
        // Bodies both ways, pushes and queries among them: each leaves the connection for the next.
        wire.send(format!("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert_eq!(wire.answer().text(), body);
        wire.send("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(wire.answer().text(), "{}");
        wire.send(format!("GET /v2/app/referrers/sha256:{number:064} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(wire.answer().head.status(), 200);
    }
    let connections: Vec<_> = fake.seen().iter().map(|seen| seen.connection).collect();
    // The permit for the repository is asked for once, and a list of the registry's own too.
    assert_eq!(connections, vec![0; 42]);
}

#[test]
fn connections_answer_pipelined_requests_in_order() {
    let fake = Fake::start(|visit| {
        let target = visit.head.target().to_owned();
        visit.answer("200 OK", &[], target);
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    let request = |target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(["/1", "/2", "/3"].map(request).concat());
    assert_eq!(["/1", "/2", "/3"].map(|_| wire.answer().text()), ["/1", "/2", "/3"]);
}

#[test]
fn connections_to_the_upstream_stay_open_where_a_client_asks_to_close_its_own() {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], "x"));
    // One worker: each has connections of its own.
    let backref = Backref::of(&fake.url()).config("workers = 1\n").start();
    for _ in 0..3 {
        let mut wire = Wire::to(backref.host());
        wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(wire.answer().text(), "x");
        assert_eq!(wire.rest(), b"");
    }
    assert_eq!(fake.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn connections_of_clients_stay_open_where_the_upstream_closes_its_own() {
    let fake = Fake::start(|visit| {
        visit.answer("200 OK", &["Connection: close"], "x");
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    for _ in 0..5 {
        wire.send(GET);
        let answer = wire.answer();
        assert_eq!((answer.head.status(), answer.head.header("Connection")), (200, None));
    }
}

#[test]
fn connections_of_http_1_0_clients_are_answered_and_the_upstream_gets_http_1_1() {
    let fake = Fake::start(|visit| {
        visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n5\r\n-last\r\n0\r\n\r\n");
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.0\r\n\r\n");
    let head = wire.head();
    // It knows no chunks: the body ends with the connection.
    assert_eq!((head.status(), head.header("Transfer-Encoding")), (200, None));
    assert_eq!(wire.rest(), b"first-last");
    assert_eq!(fake.seen()[0].head.line, "GET /v2/ HTTP/1.1");
}

#[test]
fn connections_that_the_upstream_closed_while_idle_fail_no_request() {
    let ends = Gate::default();
    let ended = ends.clone();
    let fake = Fake::start(move |visit| {
        visit.answer("200 OK", &[], "x");
        // Until backref has closed its side too.
        visit.linger();
        ended.count();
    });
    let backref = Backref::of(&fake.url()).config("workers = 1\n").start();
    for number in 1..=5 {
        assert_eq!(ask(backref.host(), GET).text(), "x");
        ends.wait_for(number);
    }
}

#[test]
fn connections_that_close_just_as_a_request_is_sent_have_it_sent_again() {
    // Every second request meets the end of its connection, as when the upstream's timeout comes just then.
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |visit| {
        if asked.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
            visit.close();
        } else {
            visit.answer("200 OK", &[], "x");
        }
    });
    let backref = Backref::of(&fake.url()).config("workers = 1\n").start();
    let push = "PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    for request in [GET, push] {
        assert_eq!(ask(backref.host(), request).head.status(), 200);
        let idle = Instant::now();
        until("the connection to be idle for long", || (idle.elapsed() > Duration::from_millis(1200)).then_some(()));
        assert_eq!(ask(backref.host(), request).head.status(), 200, "{request}");
    }
    // Of three that reach the upstream the second is lost: 1, lost, its repetition; the same again.
    assert_eq!(fake.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 1, 1, 1, 2]);
}
