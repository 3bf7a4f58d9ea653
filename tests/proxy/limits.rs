//! Clients that send too much, too slowly, or stop.

use std::time::Duration;

use crate::support::{Backref, Fake, Gate};
use crate::wire::{Wire, ask, error_code};

/// Manifests of so many bytes have room of their own.
const SMALL: usize = 64 << 10;

fn up(config: &str) -> (Backref, Fake) {
    let fake = Fake::start(|visit| {
        if visit.body().is_some() {
            visit.answer("200 OK", &[], "x");
        }
    });
    (Backref::of(&fake.url()).config(config).start(), fake)
}

/// A request whose head has exactly that many bytes.
fn head_of(length: usize) -> String {
    let around = "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Long: \r\n\r\n".len();
    format!("GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(length - around))
}

const HEAD_LIMIT: &str = "[limits]\nhead = \"8KiB\"\n";

#[test]
fn limits_head_at_the_bound_passes() {
    let (backref, fake) = up(HEAD_LIMIT);
    let mut wire = Wire::to(backref.host());
    for _ in 0..2 {
        wire.send(head_of(8 << 10));
        assert_eq!(wire.answer().head.status(), 200);
    }
    assert_eq!(fake.seen().len(), 2);
}

#[test]
fn limits_head_over_the_bound_is_refused() {
    let (backref, fake) = up(HEAD_LIMIT);
    for length in [(8 << 10) + 1, 9 << 10, 64 << 10, 1 << 20] {
        let mut wire = Wire::to(backref.host());
        // Far over, backref need not read all of it; the answer arrives all the same.
        let _ = wire.try_send(head_of(length));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (431, "SIZE_INVALID"), "{length}");
        assert_eq!(answer.head.values("Content-Type"), ["application/json"], "{length}");
        assert_eq!(wire.rest(), b"", "{length}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn limits_head_over_the_bound_is_refused_behind_an_upload() {
    let (backref, fake) = up(HEAD_LIMIT);
    let mut wire = Wire::to(backref.host());
    wire.send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345");
    assert_eq!(wire.answer().head.status(), 200);
    wire.send(head_of(16 << 10));
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (431, "SIZE_INVALID"));
    assert_eq!(fake.seen().len(), 1);
}

#[test]
fn limits_headers_beyond_the_bound_on_their_number_are_refused() {
    let (backref, fake) = up("");
    let mut wire = Wire::to(backref.host());
    let headers = "X: y\r\n".repeat(2000);
    wire.send(format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (431, "SIZE_INVALID"));
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn limits_target_over_the_bound_is_refused() {
    let (backref, fake) = up(HEAD_LIMIT);
    let mut wire = Wire::to(backref.host());
    wire.send(format!("GET /v2/?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20 << 10)));
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (431, "SIZE_INVALID"));
    assert_eq!(fake.seen().len(), 0);
}

const SHORT: &str = "[limits]\nhead_timeout = \"300ms\"\nstall_timeout = \"300ms\"\n";

#[test]
fn limits_head_that_stops_in_the_middle_gets_408() {
    let (backref, fake) = up(SHORT);
    for start in ["G", "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Un"] {
        let mut wire = Wire::to(backref.host());
        wire.send(start);
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (408, "SIZE_INVALID"), "{start}");
        assert_eq!(wire.rest(), b"");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn limits_head_that_arrives_too_slowly_gets_408() {
    let (backref, fake) = up(SHORT);
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ");
    // Each byte comes in time, the head does not.
    while wire.is_silent_for(Duration::from_millis(50)) {
        wire.send("x");
    }
    assert_eq!(wire.answer().head.status(), 408);
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn limits_idle_connection_is_closed_without_an_answer() {
    let (backref, _fake) = up(SHORT);
    let mut wire = Wire::to(backref.host());
    assert_eq!(wire.rest(), b"", "new");
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 200);
    assert_eq!(wire.rest(), b"", "kept after an answer");
}

#[test]
fn limits_manifest_that_stops_in_the_middle_gets_408() {
    let (backref, fake) = up(SHORT);
    for framing in ["Content-Length: 10\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n"] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\n{framing}"));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (408, "SIZE_INVALID"), "{framing}");
        assert_eq!(wire.rest(), b"");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn limits_upload_that_stops_in_the_middle_gets_408() {
    let (backref, fake) = up(SHORT);
    for framing in ["Content-Length: 10\r\n\r\n12345", "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\n{framing}"));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (408, "SIZE_INVALID"), "{framing}");
        assert_eq!(wire.rest(), b"");
    }
    // The upstream heard of them, and never takes one for whole.
    assert!(fake.seen().iter().all(|seen| seen.body.is_none()), "{:?}", fake.seen());
}

#[test]
fn limits_clients_beyond_the_bound_on_connections_wait() {
    let (backref, _fake) = up("[limits]\nconnections = 2\n");
    let get = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = Wire::to(backref.host());
    let mut second = Wire::to(backref.host());
    for wire in [&mut first, &mut second] {
        wire.send(get);
        assert_eq!(wire.answer().head.status(), 200);
    }
    let mut third = Wire::to(backref.host());
    third.send(get);
    assert!(third.is_silent_for(Duration::from_millis(300)), "more than two were let in");
    drop(first);
    assert_eq!(third.answer().head.status(), 200);
}

#[test]
fn limits_manifests_beyond_the_bound_on_memory_get_503() {
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit| {
        if visit.discard() {
            if visit.head.target().ends_with("/held") {
                held.pass();
            }
            visit.answer("200 OK", &[], "x");
        }
    });
    // A reservation for one of the largest.
    let config = "[limits]\nbuffered = \"8MiB\"\nstall_timeout = \"1s\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let large = 4 << 20;
    let push = |tag: &str, body: &str| {
        let length = body.len();
        format!("PUT /v2/app/manifests/{tag} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let mut holding = Wire::to(backref.host());
    holding.send(push("held", &" ".repeat(large)));
    gate.wait_for(1);
    let put_off = ask(backref.host(), &push("v1", &format!("{}{{}}", " ".repeat(SMALL))));
    assert_eq!((put_off.head.status(), error_code(&put_off.body).as_str()), (503, "TOOMANYREQUESTS"));
    assert!(put_off.head.header("Retry-After").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    assert_eq!(fake.count("PUT"), 1);
    // What needs a small reservation or none passes.
    assert_eq!(ask(backref.host(), &push("v1", "{}")).head.status(), 200);
    let upload = "PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(ask(backref.host(), upload).head.status(), 200);
    gate.open();
    assert_eq!(holding.answer().head.status(), 200);
    assert_eq!(ask(backref.host(), &push("v1", &" ".repeat(large))).head.status(), 200);
}
