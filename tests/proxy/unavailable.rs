//! Upstreams that are down, silent, or back again.

use std::time::{Duration, Instant};

use crate::support::{Backref, Fake, Gate};
use crate::wire::{ask, error_code};

const REQUESTS: [&str; 5] = [
    "GET /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    "PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    "DELETE /v2/app/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000000 HTTP/1.1\r\n\
     Host: a\r\n\r\n",
    "GET /v2/app/referrers/sha256:0000000000000000000000000000000000000000000000000000000000000000 HTTP/1.1\r\n\
     Host: a\r\n\r\n",
];

#[test]
fn upstream_that_is_down_gives_502_until_it_is_back() {
    let fake = Fake::start(|visit| {
        visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "back");
    });
    let host = fake.host();
    let backref = Backref::of(&fake.url()).config("[permit]\nttl = \"0\"\n").start();
    // Connections to it are kept when it goes.
    assert_eq!(ask(backref.host(), REQUESTS[0]).head.status(), 200);
    drop(fake);
    for request in REQUESTS {
        let answer = ask(backref.host(), request);
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"), "{request}");
        assert_eq!(answer.head.values("Content-Type"), ["application/json"]);
    }
    let _back = Fake::start_at(&host, |visit| {
        visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "back");
    });
    for request in REQUESTS {
        assert_eq!(ask(backref.host(), request).head.status(), 200, "{request}");
    }
}

#[test]
fn upstream_that_never_answers_gives_504() {
    let never = Gate::default();
    let held = never.clone();
    let fake = Fake::start(move |visit| {
        visit.body();
        held.pass();
    });
    let config = "[upstream]\nanswer_timeout = \"300ms\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    for request in REQUESTS {
        let asked = Instant::now();
        let answer = ask(backref.host(), request);
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (504, "UNAVAILABLE"), "{request}");
        let waited = asked.elapsed();
        assert!(waited >= Duration::from_millis(300) && waited < Duration::from_secs(5), "{request}: {waited:?}");
    }
    assert_eq!(fake.seen().len(), REQUESTS.len(), "each was asked once");
    never.open();
}

#[test]
fn upstream_answer_timeout_starts_when_the_whole_request_was_sent() {
    let fake = Fake::start(|visit| {
        visit.body();
        visit.answer("201 Created", &[], "");
    });
    let config = "[upstream]\nanswer_timeout = \"300ms\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let mut wire = crate::wire::Wire::to(backref.host());
    wire.send("PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        // A slow upload: as long as bytes come, nobody is late.
        assert!(wire.is_silent_for(Duration::from_millis(100)), "given up while the upload went on");
        wire.send("x");
    }
    assert_eq!(wire.answer().head.status(), 201);
}

#[test]
fn upstream_that_hangs_up_instead_of_answering_gives_502() {
    let fake = Fake::start(|visit| {
        visit.body();
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    for request in REQUESTS {
        let answer = ask(backref.host(), request);
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"), "{request}");
    }
}

#[test]
fn upstream_that_speaks_no_http_gives_502() {
    let fake = Fake::start(|visit| {
        visit.send("SSH-2.0-OpenSSH_9\r\n\r\n");
        visit.close();
    });
    let backref = Backref::of(&fake.url()).start();
    let answer = ask(backref.host(), REQUESTS[0]);
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (502, "UNAVAILABLE"));
}

#[test]
fn upstream_answer_that_stands_still_ends_the_clients_connection() {
    let never = Gate::default();
    let held = never.clone();
    let fake = Fake::start(move |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        held.pass();
    });
    let backref = Backref::of(&fake.url()).config("[limits]\nstall_timeout = \"300ms\"\n").start();
    let mut wire = crate::wire::Wire::to(backref.host());
    wire.send(REQUESTS[0]);
    assert_eq!(wire.head().status(), 200);
    assert_eq!(wire.take(5), b"first");
    assert_eq!(wire.rest(), b"", "five of ten bytes, and the end");
    never.open();
}
