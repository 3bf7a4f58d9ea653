//! Bodies in both directions: their framing, and that they are passed on as they come.

use crate::support::{Backref, Fake, Gate, until};
use crate::wire::Wire;

#[test]
fn passthrough_keeps_the_length_of_an_upload() {
    let fake = Fake::start(|visit| {
        visit.body();
        visit.answer("202 Accepted", &[], "");
    });
    let backref = Backref::of(&fake.url()).start();
    let body = "x".repeat(300_000);
    for method in ["PATCH", "PUT", "POST"] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("{method} /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-LENGTH: 300000\r\n"));
        wire.send("Content-Range: 0-299999\r\nContent-Type: application/octet-stream\r\n\r\n");
        wire.send(&body);
        assert_eq!(wire.answer().head.status(), 202);
    }
    for seen in fake.seen() {
        let lengths: Vec<_> = seen.head.headers.iter().filter(|line| *line == "Content-LENGTH: 300000").collect();
        assert_eq!((lengths.len(), seen.head.values("Transfer-Encoding")), (1, vec![]), "{:?}", seen.head);
        assert_eq!(seen.head.values("Content-Range"), ["0-299999"]);
        assert_eq!(seen.body.expect("the script's server reads it").len(), 300_000);
    }
}

#[test]
fn passthrough_keeps_an_empty_body_empty() {
    let fake = Fake::start(|visit| {
        visit.body();
        visit.answer("202 Accepted", &[], "");
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 202);
    let head = fake.seen()[0].head.clone();
    assert_eq!((head.values("Content-Length"), head.values("Transfer-Encoding")), (vec!["0"], vec![]));
}

#[test]
fn passthrough_keeps_a_chunked_upload_chunked() {
    let fake = Fake::start(|visit| {
        visit.body();
        visit.answer("202 Accepted", &[], "");
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    wire.send("3\r\nabc\r\n2;extension=1\r\nde\r\n0\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 202);
    let seen = &fake.seen()[0];
    assert_eq!((seen.head.values("Transfer-Encoding"), seen.head.values("Content-Length")), (vec!["chunked"], vec![]));
    assert_eq!(seen.body.as_deref(), Some(b"abcde".as_slice()));
}

#[test]
fn passthrough_streams_an_upload_as_it_arrives() {
    let first = Gate::default();
    let arrived = first.clone();
    let fake = Fake::start(move |visit| {
        let body = visit.raw(5);
        arrived.open();
        let rest = visit.raw(5);
        visit.answer("201 Created", &[], [body, rest].concat());
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
    first.pass();
    wire.send("-last");
    assert_eq!(wire.answer().text(), "first-last");
}

#[test]
fn passthrough_streams_an_answer_as_it_arrives() {
    let first = Gate::default();
    let read = first.clone();
    let fake = Fake::start(move |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        read.pass();
        visit.send("-last");
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.head().values("Content-Length"), ["10"]);
    assert_eq!(wire.take(5), b"first");
    first.open();
    assert_eq!(wire.take(5), b"-last");
}

#[test]
fn passthrough_gives_an_answer_while_its_request_still_arrives() {
    let fake = Fake::start(|visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..2 {
            let part = visit.raw(5);
            visit.send(part);
        }
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
    assert_eq!(wire.head().status(), 200);
    assert_eq!(wire.take(5), b"first");
    wire.send("-last");
    assert_eq!(wire.take(5), b"-last");
}

#[test]
fn passthrough_takes_an_answer_that_ends_with_its_connection_for_whole() {
    let fake = Fake::start(|visit| {
        visit.send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.answer().text(), "until the end");
}

#[test]
fn passthrough_never_completes_an_answer_that_the_upstream_cut_off() {
    let fake = Fake::start(|visit| {
        if visit.head.target() == "/chunked" {
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        } else {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        }
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    for target in ["/length", "/chunked"] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(wire.try_answer().is_none(), "{target}: the client takes half a body for a whole one");
    }
}

#[test]
fn passthrough_never_completes_an_upload_that_the_client_cut_off() {
    let fake = Fake::start(|visit| {
        if visit.body().is_some() {
            visit.answer("201 Created", &[], "");
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let framings = ["Content-Length: 10\r\n\r\nfirst", "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"];
    for (done, framing) in framings.into_iter().enumerate() {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\n{framing}"));
        until("the head to arrive", || (fake.seen().len() > done).then_some(()));
        drop(wire);
    }
    // The script would have answered a whole one; and what comes next is not taken for the rest.
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 201);
    let bodies: Vec<_> = fake.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [None, None, Some(vec![])]);
}

#[test]
fn passthrough_of_large_bodies_takes_little_memory() {
    const PIECES: usize = 256;
    const PIECE: usize = 1 << 20;
    let fake = Fake::start(|visit| {
        if visit.is("PUT") {
            for _ in 0..PIECES {
                visit.raw(PIECE);
            }
            visit.answer("201 Created", &[], "");
            visit.close();
        } else {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECES * PIECE));
            for _ in 0..PIECES {
                visit.send(vec![7; PIECE]);
            }
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let mut down = Wire::to(backref.host());
    down.send("GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(down.head().status(), 200);
    let mut up = Wire::to(backref.host());
    let length = PIECES * PIECE;
    up.send(format!("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    // The download waits for its reader all that time, and is not read ahead.
    let piece = vec![7; PIECE];
    for _ in 0..PIECES {
        up.send(&piece);
    }
    assert_eq!(up.answer().head.status(), 201);
    for _ in 0..PIECES {
        assert!(down.take(PIECE) == piece, "other bytes than were sent");
    }
    let peak = backref.peak_memory();
    assert!(peak < 64 << 20, "{} MiB at the most", peak >> 20);
}
