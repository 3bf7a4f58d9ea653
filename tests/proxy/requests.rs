//! Requests: what the client sends, byte for byte, without the hop-by-hop headers.

use crate::support::{Backref, Fake};
use crate::wire::{Wire, ask};

fn up() -> (Backref, Fake) {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], ""));
    (Backref::of(&fake.url()).start(), fake)
}

#[test]
fn passthrough_keeps_every_method() {
    let (backref, fake) = up();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE"] {
        let answer = ask(backref.host(), &format!("{method} /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.head.status(), 200, "{method}");
    }
    let mut wire = Wire::to(backref.host());
    wire.send("HEAD /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.head().status(), 200);
    let seen: Vec<_> = fake.seen().iter().map(|seen| seen.head.line.clone()).collect();
    let expected = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "HEAD"];
    assert_eq!(seen, expected.map(|method| format!("{method} /v2/app/blobs/x HTTP/1.1")));
}

#[test]
fn passthrough_keeps_path_and_query() {
    let (backref, fake) = up();
    let targets = [
        "/",
        "/v2/",
        "/v2/?",
        "/v2/app/blobs/uploads/1?_state=x%3D&y=a+b%20c'&z",
        "/v2/app/blobs/uploads/1?digest=sha256%3Aab&to=http://elsewhere/..//%2e%2e;a?b",
        "/v2/app/manifests/%61",
        "/v2/app/tags/list?n=1&&last=%zz",
        "/it's/~odd!$&()*+,=:@;{}|%7B",
        "/token?scope=repository:a/b:pull,push&scope=x",
        "/v2/foo/bar/manifests/manifests/tags",
        "/api/v4/projects/group%2Fproject",
    ];
    for target in targets {
        let answer = ask(backref.host(), &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.head.status(), 200, "{target}: {}", answer.text());
    }
    let seen: Vec<_> = fake.seen().iter().map(|seen| seen.head.target().to_owned()).collect();
    assert_eq!(seen, targets);
}

#[test]
fn passthrough_sends_a_target_with_scheme_and_host_as_a_path() {
    let (backref, fake) = up();
    ask(backref.host(), "GET http://a:1/v2/x?y='1' HTTP/1.1\r\nHost: a:1\r\n\r\n");
    let seen = fake.seen();
    assert_eq!(seen[0].head.line, "GET /v2/x?y='1' HTTP/1.1");
    assert_eq!(seen[0].head.values("Host"), [fake.host()]);
}

#[test]
fn passthrough_keeps_case_values_and_number_of_request_headers() {
    let (backref, fake) = up();
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\nX-ONE: 1\r\nx-oNe:   two, 2  \r\nACCEPT: b/c;q=0.5\r\naccept: d/e\r\n");
    wire.send("Accept-Encoding: zstd,gzip;q=0\r\nRange: bytes=0-1\r\nAuthorization: Basic Og==\r\nX-Empty:\r\n");
    wire.send(b"X-Latin: \xe9\r\nUser-Agent: t/1\r\nIf-None-Match: \"a\", W/\"b\"\r\nCookie: a=b\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 200);
    let head = fake.seen()[0].head.clone();
    for (line, count) in [
        ("X-ONE: 1", 1),
        ("x-oNe: two, 2", 1),
        ("ACCEPT: b/c;q=0.5", 1),
        ("accept: d/e", 1),
        ("Accept-Encoding: zstd,gzip;q=0", 1),
        ("Range: bytes=0-1", 1),
        ("Authorization: Basic Og==", 1),
        ("X-Empty:", 1),
        ("X-Latin: \u{e9}", 1),
        ("User-Agent: t/1", 1),
        ("If-None-Match: \"a\", W/\"b\"", 1),
        ("Cookie: a=b", 1),
    ] {
        assert_eq!(head.headers.iter().filter(|header| *header == line).count(), count, "{line} in {head:#?}");
    }
    assert_eq!(head.values("x-one"), ["1", "two, 2"], "in their order");
}

#[test]
fn passthrough_drops_hop_by_hop_headers_of_a_request() {
    let (backref, fake) = up();
    let request = "GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nConnection: x-yours\r\n\
        Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic Og==\r\nTE: trailers\r\n\
        X-Mine: 1\r\nX-Yours: 1\r\nX-Stays: 1\r\n\r\n";
    assert_eq!(ask(backref.host(), request).head.status(), 200);
    let head = fake.seen()[0].head.clone();
    let mut names: Vec<_> = head.names().iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id", "x-stays"]
    );
}

#[test]
fn passthrough_sets_the_forwarding_headers_itself() {
    let (backref, fake) = up();
    let request = "GET /v2/ HTTP/1.1\r\nHost: registry.test:81\r\nForwarded: host=evil\r\nX-Forwarded-Host: evil\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n\r\n";
    assert_eq!(ask(backref.host(), request).head.status(), 200);
    let head = fake.seen()[0].head.clone();
    assert_eq!(head.values("X-Forwarded-Host"), ["registry.test:81"]);
    assert_eq!(head.values("X-Forwarded-Proto"), ["http"]);
    assert_eq!(head.values("X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(head.values("Forwarded"), [""; 0]);
    assert_eq!(head.values("Host"), [fake.host()]);
}

/// Each would show a client what backref or a proxy says of it, or have a server take it for what backref says.
#[test]
fn passthrough_lets_nobody_speak_for_backref() {
    let (backref, fake) = up();
    for (request, status) in [
        ("TRACE /v2/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ] {
        assert_eq!(ask(backref.host(), request).head.status(), status, "{request}");
    }
    assert!(fake.seen().is_empty());
    let request = "PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.1.1.1\r\nContent_Length: 5\r\n\
        X-Real-IP: 1.1.1.1\r\nX-Forwarded-User: root\r\nMax-Forwards: 0\r\nConnection: x-request-id\r\nX-Request-Id: mine\r\n\
        Trailer: X-Forwarded-For\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n";
    assert_eq!(ask(backref.host(), request).head.status(), 200);
    let seen = fake.seen().pop().expect("a request");
    let names = ["x_forwarded_for", "content_length", "x-real-ip", "x-forwarded-user", "max-forwards", "trailer"];
    assert_eq!(names.map(|name| seen.head.header(name)), [None; 6]);
    assert_eq!((seen.body.as_deref(), seen.head.header("x-request-id")), (Some(&b"four"[..]), Some("mine")));
}
