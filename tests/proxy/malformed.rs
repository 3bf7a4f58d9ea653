//! Answers that no HTTP/1.1 proxy may pass on (RFC 9112, 6.3): the client hears that the upstream failed.

use crate::support::{Backref, Fake};
use crate::wire::{Wire, error_code};

const FLOOD: &str = "HTTP/1.1 103 Early Hints\r\nX-Filler: 0123456789\r\n\r\n";

/// The upstream's answer to GET, byte for byte; a name for it.
const MALFORMED: [(&str, &str); 8] = [
    (
        "a length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ),
    (
        "chunks and a length",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ),
    (
        "another coding below the chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ),
    (
        "another coding in a line of its own",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ),
    ("another coding until the end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n12345"),
    ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n12345"),
    ("lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345"),
    ("another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n12345"),
];

#[test]
fn upstream_answers_that_are_malformed_give_502() {
    let fake = Fake::start(|visit| {
        if let Some(number) = visit.head.target().strip_prefix("/malformed/") {
            let number: usize = number.parse().expect("a number");
            visit.send(MALFORMED[number].1);
            visit.linger();
        } else {
            visit.answer("200 OK", &[], "well");
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    for (number, (name, _)) in MALFORMED.iter().enumerate() {
        wire.send(format!("GET /malformed/{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"), "{name}");
        // The client's connection goes on, and no other request gets what is left of that answer.
        wire.send("GET /well HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.answer().text(), "well", "after {name}");
    }
}

#[test]
fn upstream_answers_without_a_body_may_name_a_framing() {
    let fake = Fake::start(|visit| {
        visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Is: it\r\n\r\n");
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("HEAD /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = wire.head();
    assert_eq!((head.status(), head.header("X-Is")), (200, Some("it")));
}

#[test]
fn upstream_answers_that_never_follow_interim_ones_give_502() {
    let fake = Fake::start(|visit| {
        let flood = FLOOD.repeat(1000);
        while visit.is_open() {
            visit.send(&flood);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    for request in [
        "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        wire.send(request);
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"), "{request}");
    }
}

#[test]
fn upstream_answers_behind_a_few_interim_ones_are_passed_on() {
    let fake = Fake::start(|visit| {
        visit.send(FLOOD.repeat(100));
        visit.answer("200 OK", &[], "x".repeat(1 << 20));
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    for _ in 0..3 {
        wire.send("GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.answer().body.len(), 1 << 20);
    }
}
