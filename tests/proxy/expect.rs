//! `Expect: 100-continue`, and upstreams that answer before they have the whole request.

use std::time::{Duration, Instant};

use crate::support::{Backref, Fake, Gate, Visit};
use crate::wire::Wire;

const EXPECTS: &str =
    "PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn up(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> (Backref, Fake) {
    let fake = Fake::start(script);
    (Backref::of(&fake.url()).start(), fake)
}

#[test]
fn expect_continue_is_passed_on_when_the_upstream_sends_it() {
    let (head_seen, may_accept) = (Gate::default(), Gate::default());
    let (seen, accept) = (head_seen.clone(), may_accept.clone());
    let (backref, fake) = up(move |visit| {
        seen.open();
        accept.pass();
        visit.send(CONTINUE);
        visit.body();
        visit.answer("202 Accepted", &[], "");
    });
    let mut wire = Wire::to(backref.host());
    wire.send(EXPECTS);
    head_seen.pass();
    // Backref has had the request long enough to pass it on, and has said nothing to the client.
    assert!(wire.is_silent_for(Duration::from_millis(300)), "told to go on before the upstream said so");
    may_accept.open();
    assert_eq!(wire.head().status(), 100);
    wire.send("12345");
    assert_eq!(wire.answer().head.status(), 202);
    let seen = &fake.seen()[0];
    assert_eq!((seen.head.values("Expect"), seen.body.as_deref()), (vec!["100-continue"], Some(b"12345".as_slice())));
}

#[test]
fn expect_refusal_comes_without_a_100_before_it() {
    let (backref, fake) = up(|visit| {
        visit.answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"r\""], "no");
        visit.close();
    });
    let mut wire = Wire::to(backref.host());
    wire.send(EXPECTS);
    let answer = wire.answer();
    assert_eq!((answer.head.status(), answer.text().as_str()), (401, "no"));
    assert_eq!(answer.head.values("WWW-Authenticate"), ["Basic realm=\"r\""]);
    assert_eq!(fake.seen()[0].body, None);
}

#[test]
fn expect_refusal_leaves_no_connection_on_which_another_request_could_get_lost() {
    let (backref, fake) = up(|visit| {
        if visit.is("PATCH") {
            visit.answer("401 Unauthorized", &[], "no");
            // The upstream would read on: the five bytes never come.
        } else {
            let target = visit.head.target().to_owned();
            visit.answer("200 OK", &[], target);
        }
    });
    let mut wire = Wire::to(backref.host());
    wire.send(EXPECTS);
    assert_eq!(wire.answer().head.status(), 401);
    for _ in 0..3 {
        assert_eq!(crate::wire::ask(backref.host(), "GET /next HTTP/1.1\r\nHost: a\r\n\r\n").text(), "/next");
    }
    assert_eq!(fake.count("GET"), 3);
}

#[test]
fn expect_continue_is_sent_after_a_second_where_the_upstream_sends_none() {
    let (backref, fake) = up(|visit| {
        visit.body();
        visit.answer("202 Accepted", &[], "");
    });
    let mut wire = Wire::to(backref.host());
    let sent = Instant::now();
    wire.send(EXPECTS);
    assert_eq!(wire.head().status(), 100);
    assert!(sent.elapsed() > Duration::from_millis(900), "told to go on after {:?}", sent.elapsed());
    wire.send("12345");
    assert_eq!(wire.answer().head.status(), 202);
    assert_eq!(fake.seen()[0].body.as_deref(), Some(b"12345".as_slice()));
}

#[test]
fn expect_refusal_reaches_a_client_that_is_still_sending() {
    let (backref, _fake) = up(|visit| {
        visit.answer("413 Content Too Large", &["Connection: close"], "too large");
        visit.linger();
    });
    let mut wire = Wire::to(backref.host());
    wire.send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst bytes");
    let answer = wire.answer();
    assert_eq!((answer.head.status(), answer.text().as_str()), (413, "too large"));
}

#[test]
fn expect_refusal_reaches_a_client_that_reads_only_after_it_sent_everything() {
    let (backref, _fake) = up(|visit| {
        visit.answer("413 Content Too Large", &["Connection: close"], "too large");
        visit.linger();
    });
    let mut wire = Wire::to(backref.host());
    wire.send("PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    // A reset is what a connection gets that is closed while bytes still come: it takes the answer with it.
    let _ = wire.try_send("x".repeat(900_000));
    let answer = wire.try_answer().expect("the refusal, not a reset");
    assert_eq!((answer.head.status(), answer.text().as_str()), (413, "too large"));
}
