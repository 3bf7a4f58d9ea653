//! Requests that two servers could read as different ones: refused, and nothing of them reaches the upstream.

use crate::support::{Backref, Fake};
use crate::wire::{Wire, error_code};

fn up() -> (Backref, Fake) {
    let fake = Fake::start(|visit| {
        visit.body();
        let target = visit.head.target().to_owned();
        visit.answer("200 OK", &[], target);
    });
    (Backref::of(&fake.url()).start(), fake)
}

/// Sends what is to be refused, with a second request behind it, and says how it was refused. However backref takes
/// the rest, it answers once, and the upstream hears of neither.
fn refusal(request: &str) -> (u16, String) {
    let (backref, fake) = up();
    let mut wire = Wire::to(backref.host());
    wire.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
    wire.finish();
    let answer = wire.answer();
    let rest = wire.rest();
    assert_eq!(String::from_utf8_lossy(&rest), "", "a second answer");
    let seen: Vec<_> = fake.seen().into_iter().map(|seen| seen.head.line).collect();
    assert_eq!(seen, [""; 0], "the upstream was asked");
    (answer.head.status(), error_code(&answer.body))
}

fn bad(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

#[test]
fn framing_with_a_length_and_a_transfer_encoding_is_refused() {
    let length = "Content-Length: 4\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for headers in [[length, chunked], [chunked, length]] {
        let headers = headers.concat();
        // The body's end by one of them is inside the body by the other.
        let request = format!("POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\n");
        assert_eq!(refusal(&request), bad("UNSUPPORTED"), "{headers}");
        let request = format!("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\n{headers}\r\n2\r\n{{}}\r\n0\r\n\r\n");
        assert_eq!(refusal(&request), bad("UNSUPPORTED"), "{headers}");
    }
}

#[test]
fn framing_with_a_length_and_a_transfer_encoding_is_refused_behind_another_request() {
    let (backref, fake) = up();
    // The parts of the second head come in two pieces, the first of them together with the whole first request.
    let pieces = [
        "GET /first HTTP/1.1\r\nHost: a\r\n\r\nPOST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n",
        "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let mut wire = Wire::to(backref.host());
    wire.send(pieces[0]);
    assert_eq!(wire.answer().text(), "/first");
    wire.send(pieces[1]);
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (400, "UNSUPPORTED"));
    assert_eq!(fake.count("POST"), 0);
}

#[test]
fn framing_with_two_lengths_is_refused() {
    // Refused before it is a request of anybody's: what matters is that it goes no further.
    let (backref, fake) = up();
    for lengths in ["Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4, 5", "Content-Length: +4"] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("POST /v2/ HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n12345"));
        wire.finish();
        assert_eq!(wire.answer().head.status(), 400, "{lengths}");
        assert_eq!(wire.rest(), b"", "{lengths}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_with_a_transfer_encoding_other_than_chunked_is_refused() {
    let (backref, fake) = up();
    for encoding in ["gzip, chunked", "chunked, gzip", "identity", "xchunked", "gzip\r\nTransfer-Encoding: chunked"] {
        let mut wire = Wire::to(backref.host());
        let head = format!("POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {encoding}\r\n\r\n");
        wire.send(format!("{head}0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        wire.finish();
        let status = wire.answer().head.status();
        assert!(matches!(status, 400 | 501), "{encoding}: {status}");
        assert_eq!(wire.rest(), b"", "{encoding}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_of_a_request_drops_its_upgrade() {
    let (backref, fake) = up();
    let lines = [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nUpgrade: h2c\r\n",
    ];
    let mut wire = Wire::to(backref.host());
    for line in lines {
        // As if the header were not there (RFC 9110, 7.8), and the connection goes on with the next request.
        wire.send(format!("GET /first HTTP/1.1\r\nHost: a\r\n{line}\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"));
        for target in ["/first", "/second"] {
            let answer = wire.answer();
            assert_eq!((answer.head.status(), answer.text().as_str()), (200, target), "{line}");
            assert_eq!(answer.head.values("Upgrade"), [""; 0], "{line}");
        }
        // Nor does a body change that.
        wire.send(format!("PATCH /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{line}\r\n{{}}"));
        assert_eq!(wire.answer().text(), "/v2/x", "{line}");
    }
    assert_eq!(fake.seen().len(), 3 * lines.len());
    for seen in fake.seen() {
        for name in ["Upgrade", "HTTP2-Settings", "Connection"] {
            assert_eq!(seen.head.values(name), [""; 0], "{:?}", seen.head);
        }
    }
}

#[test]
fn framing_of_a_connect_request_is_refused() {
    let (backref, fake) = up();
    let mut wire = Wire::to(backref.host());
    wire.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (405, "UNSUPPORTED"));
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_of_an_http_1_0_request_with_a_body_is_refused() {
    let body = "POST /v2/app/blobs/uploads/ HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(refusal(body), bad("UNSUPPORTED"));
}

#[test]
fn framing_with_no_host_or_several_is_refused() {
    let (backref, fake) = up();
    for request in [
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\n\r\n",
        "GET http://b/v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut wire = Wire::to(backref.host());
        wire.send(request);
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (400, "UNSUPPORTED"), "{request}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_with_a_malformed_host_is_refused() {
    let (backref, fake) = up();
    for host in [
        "a b", "a/b", "a@b", "a?b", "a#b", "a\\b", "a\"b", "<a>", "a,b c", "a:b", "a:80:80", "[::1", "::1", "[]",
        "[a b]:80", "h\u{e9}",
    ] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (400, "UNSUPPORTED"), "{host}");
    }
    assert_eq!(fake.seen().len(), 0);
    let hosts =
        ["a", "registry.example.com:5000", "127.0.0.1:80", "[::1]:5000", "[::1]", "a_b-c.~d", "a%20b", "a:", ""];
    for host in hosts {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(wire.answer().head.status(), 200, "{host}");
    }
    assert_eq!(fake.seen().len(), hosts.len());
}

#[test]
fn framing_paths_that_servers_normalize_differently_are_refused() {
    let (backref, fake) = up();
    for path in [
        "/v2/a/%2e%2e/b/manifests/x",
        "/v2/a/%2E./b",
        "/v2//a/manifests/x",
        "//v2/a/manifests/x",
        "/v2/a/../b/manifests/x",
        "/v2/a/..",
        "/v2/./a",
        "/../v2/",
        "/v2/a%2Fb/manifests/x",
        "/v2/a%2fmanifests/x",
        "/v2/a%5c..%5cb",
        "/v2/a\\b",
        "/v2/a;x/b",
        "/v2/a%00",
        "/v2/a%20b",
        "/v2/%c3%bc",
        "/v2/a%252e",
        "/v2/a%",
        "/%2e%2e/v2/",
        "/x%2F..%2Fv2/a",
    ] {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = wire.answer();
        assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (400, "NAME_INVALID"), "{path}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_bytes_that_are_no_http_are_refused() {
    let (backref, fake) = up();
    for bytes in [
        "GET /v2/\r\n\r\n",
        "GET  /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0 TLS hello\r\n\r\n",
    ] {
        let mut wire = Wire::to(backref.host());
        wire.send(bytes);
        wire.finish();
        let answer = wire.rest();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{bytes:?}: {answer:?}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn framing_body_that_is_not_read_is_never_taken_for_a_request() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for line in [
        // Answered from the store.
        format!("GET /v2/app/referrers/{digest}"),
        format!("HEAD /v2/app/referrers/{digest}"),
        // Sent on without a body.
        format!("DELETE /v2/app/manifests/{digest}"),
        // Refused, by path, by query, by digest.
        "GET /v2/a/../b".to_owned(),
        format!("GET /v2/app/referrers/{digest}?n=0"),
        "PUT /v2/app/manifests/sha256:00".to_owned(),
    ] {
        for body in [&length, &chunked] {
            let (backref, fake) = up();
            let mut wire = Wire::to(backref.host());
            // Whether or not the connection goes on, what comes next on it is the second request, or nothing. In one
            // write: after the first answer there may be nobody to send to.
            let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            wire.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{body}{next}"));
            let answers = String::from_utf8_lossy(&wire.rest()).into_owned();
            assert!(answers.starts_with("HTTP/1.1 "), "{line}: {answers}");
            assert!(!answers.contains("/smuggled"), "{line}: {answers}");
            for seen in fake.seen() {
                assert_ne!(seen.head.target(), "/smuggled", "{line}");
                assert!(seen.body.is_some_and(|body| body.is_empty()), "{line}: {:?}", seen.head);
            }
        }
    }
}
