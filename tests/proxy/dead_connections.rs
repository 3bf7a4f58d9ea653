//! Connections that the upstream has finished with: no other request loses its answer on one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Backref, Fake, Visit, until};
use crate::wire::{Answer, Wire, ask, error_code};

const GET: &str = "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n";

/// One worker, so that each request could use the connection of the one before.
fn up(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> (Backref, Fake) {
    let fake = Fake::start(script);
    (Backref::of(&fake.url()).config("workers = 1\n").without_tags().start(), fake)
}

/// The upstream's connections, in the order of requests.
fn used(fake: &Fake) -> Vec<usize> {
    fake.seen().iter().map(|seen| seen.connection).collect()
}

/// An upstream that answers the first request on `before` connections, and does `then` with every other.
fn breaks(before: usize, then: impl Fn(&mut Visit) + Send + Sync + 'static) -> (Backref, Fake) {
    let seen = AtomicUsize::new(0);
    up(move |visit| {
        if seen.fetch_add(1, Ordering::SeqCst) == 0 || visit.connection() >= before {
            visit.body();
            visit.answer("200 OK", &[], "x");
        } else {
            then(visit);
        }
    })
}

/// Sends `request` right behind a GET, so that it finds the connection used a moment ago.
fn right_after_another(backref: &Backref, request: &str) -> Answer {
    let mut wire = Wire::to(backref.host());
    wire.send(format!("{GET}{request}"));
    assert_eq!(wire.answer().head.status(), 200);
    let head = wire.head();
    let body = if request.starts_with("HEAD") { Vec::new() } else { wire.body_of(&head) };
    Answer { head, body }
}

#[test]
fn connections_of_refused_uploads_are_not_used_again() {
    for (request, refusal) in [
        ("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", "500 Oops"),
        ("POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", "401 Unauthorized"),
        (
            "PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "413 Too Large",
        ),
    ] {
        let (backref, fake) = up(move |visit| {
            let status = if visit.is("GET") { "200 OK" } else { refusal };
            visit.answer(status, &[], "x");
        });
        let mut wire = Wire::to(backref.host());
        wire.send(request);
        assert_eq!(wire.answer().text(), "x");
        assert_eq!(ask(backref.host(), GET).head.status(), 200);
        assert_eq!(used(&fake), [0, 1], "{request}");
    }
}

#[test]
fn connections_whose_answer_came_before_the_whole_upload_are_not_used_again() {
    let (backref, fake) = up(|visit| {
        if visit.is("GET") {
            return visit.answer("200 OK", &[], "x");
        }
        visit.send("HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nfirst");
        visit.body();
        visit.send("-last");
    });
    let mut wire = Wire::to(backref.host());
    wire.send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(wire.head().status(), 202);
    wire.send("12345");
    assert_eq!(wire.take(10), b"first-last");
    assert_eq!(ask(backref.host(), GET).head.status(), 200);
    assert_eq!(used(&fake), [0, 1]);
}

#[test]
fn connections_that_end_without_an_answer_are_replaced_for_idempotent_requests() {
    for request in [
        GET,
        "HEAD /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        let (backref, fake) = breaks(1, Visit::hang_up);
        assert_eq!(right_after_another(&backref, request).head.status(), 200, "{request}");
        assert_eq!(used(&fake), [0, 0, 1], "{request}");
        let (lost, again) = (&fake.seen()[1], &fake.seen()[2]);
        let lines = |head: &crate::support::Head| {
            let mut lines: Vec<_> = head.headers.iter().map(|line| line.to_ascii_lowercase()).collect();
            lines.sort();
            lines
        };
        assert_eq!((&lost.head.line, lines(&lost.head)), (&again.head.line, lines(&again.head)));
        if request.starts_with("PUT") {
            assert_eq!(again.body.as_deref(), Some(b"{}".as_slice()));
        }
    }
}

#[test]
fn connections_that_end_without_an_answer_are_replaced_only_once() {
    let (backref, fake) = breaks(usize::MAX, Visit::hang_up);
    let answer = right_after_another(&backref, GET);
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"));
    assert_eq!(used(&fake), [0, 0, 1]);
}

#[test]
fn connections_that_end_within_an_answer_are_not_replaced() {
    let (backref, fake) = breaks(1, |visit| {
        visit.send("HTTP/1.1 20");
        visit.hang_up();
    });
    assert_eq!(ask(backref.host(), GET).head.status(), 200);
    let idle = Instant::now();
    until("the connection to be idle for a while", || (idle.elapsed() > Duration::from_millis(50)).then_some(()));
    let answer = ask(backref.host(), GET);
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"));
    assert_eq!(used(&fake), [0, 0]);
}

#[test]
fn connections_are_not_replaced_for_what_may_not_be_repeated() {
    let (backref, fake) = breaks(1, Visit::hang_up);
    let post = "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = right_after_another(&backref, post);
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"));
    assert_eq!(used(&fake), [0, 0]);
}
