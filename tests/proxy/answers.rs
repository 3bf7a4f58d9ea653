//! Answers: what the upstream sends, byte for byte, without the hop-by-hop headers.

use crate::support::{Backref, Fake, Visit};
use crate::wire::{Wire, ask};

const GET: &str = "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n";

fn up(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> (Backref, Fake) {
    let fake = Fake::start(script);
    (Backref::of(&fake.url()).start(), fake)
}

#[test]
fn passthrough_keeps_every_status_and_its_reason() {
    let (backref, _fake) = up(|visit| {
        let status = visit.head.target().trim_start_matches('/').to_owned();
        visit.answer(&status.replace('-', " "), &["X-Is: it"], "body");
    });
    for status in [
        "200-OK",
        "202-Accepted",
        "206-Partial-Content",
        "299-Odd-One",
        "301-Moved",
        "400-Bad",
        "401-Who",
        "416-Range",
        "418-Teapot",
        "429-Slow-Down",
        "451-Legal",
        "500-Oops",
        "503-Busy",
        "599-Odd",
    ] {
        let answer = ask(backref.host(), &format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.head.line, format!("HTTP/1.1 {}", status.replace('-', " ")));
        assert_eq!((answer.head.header("X-Is"), answer.text().as_str()), (Some("it"), "body"));
    }
}

#[test]
fn passthrough_keeps_case_values_and_number_of_answer_headers_and_adds_none() {
    let lines = [
        "Docker-Distribution-Api-Version: registry/2.0",
        "X-ODD: 1",
        "x-oDD: 2, 3",
        "ETag: \"sha256:ab\"",
        "Content-Type: application/octet-stream; charset=x",
        "ratelimit-limit: 100;w=21600",
        "docker-ratelimit-source: 10.0.0.1",
        "Retry-After: 7",
        "Warning: 299 - \"soon\"",
        "X-Latin: \u{e9}",
        "Server: upstream/1",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
    ];
    let (backref, _fake) = up(move |visit| {
        let head: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let answer: Vec<u8> = format!("HTTP/1.1 200 OK\r\n{head}content-LENGTH: 2\r\n\r\nok")
            .chars()
            .map(|c| u8::try_from(u32::from(c)).expect("Latin-1"))
            .collect();
        visit.send(answer);
    });
    let answer = ask(backref.host(), GET);
    let mut expected = lines.map(str::to_owned).to_vec();
    expected.push("content-LENGTH: 2".to_owned());
    let mut given = answer.head.headers.clone();
    expected.sort();
    given.sort();
    assert_eq!(given, expected);
    assert_eq!(answer.head.values("x-odd"), ["1", "2, 3"], "in their order");
}

#[test]
fn passthrough_adds_a_date_to_an_answer_without_one_and_nothing_else() {
    let (backref, _fake) = up(|visit| visit.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let head = ask(backref.host(), GET).head;
    let mut names: Vec<_> = head.names().iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "date"]);
}

#[test]
fn passthrough_drops_hop_by_hop_headers_of_an_answer() {
    let (backref, _fake) = up(|visit| {
        let headers = [
            "Connection: keep-alive, X-Mine",
            "Keep-Alive: timeout=5",
            "X-Mine: 1",
            "Proxy-Authenticate: x",
            "X-Stays: 1",
        ];
        visit.answer("200 OK", &headers, "");
    });
    let head = ask(backref.host(), GET).head;
    let mut names: Vec<_> = head.names().iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "date", "x-stays"]);
}

#[test]
fn passthrough_of_a_head_request_keeps_the_length_of_the_body() {
    let (backref, _fake) = up(|visit| visit.answer("200 OK", &[], "x".repeat(12345)));
    let mut wire = Wire::to(backref.host());
    wire.send(GET.replacen("GET", "HEAD", 1));
    assert_eq!(wire.head().values("Content-Length"), ["12345"]);
    // Nothing follows the head: the next answer starts right behind it.
    wire.send(GET);
    assert_eq!(wire.answer().body.len(), 12345);
}

#[test]
fn passthrough_of_answers_without_a_body_ends_with_their_head() {
    let (backref, _fake) = up(|visit| {
        if visit.head.target() == "/204" {
            visit.send("HTTP/1.1 204 No Content\r\nRange: 0-5\r\n\r\n");
        } else {
            visit.send("HTTP/1.1 304 Not Modified\r\nETag: \"sha256:ab\"\r\n\r\n");
        }
    });
    let mut wire = Wire::to(backref.host());
    wire.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = wire.head();
    assert_eq!((head.status(), head.header("Range")), (204, Some("0-5")));
    assert_eq!((head.header("Content-Length"), head.header("Transfer-Encoding")), (None, None));
    wire.send("GET /304 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"sha256:ab\"\r\n\r\n");
    let head = wire.head();
    assert_eq!((head.status(), head.header("ETag")), (304, Some("\"sha256:ab\"")));
    assert_eq!(head.header("Transfer-Encoding"), None);
    wire.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.head().status(), 204, "the connection goes on");
}

#[test]
fn passthrough_keeps_ranges_and_their_refusals() {
    let (backref, _fake) = up(|visit| {
        if visit.head.header("range") == Some("bytes=2-3") {
            visit.answer("206 Partial Content", &["Content-Range: bytes 2-3/5"], "cd");
        } else {
            visit.answer("416 Requested Range Not Satisfiable", &["Content-Range: bytes */5"], "");
        }
    });
    let get =
        |range| ask(backref.host(), &format!("GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\nRange: {range}\r\n\r\n"));
    let part = get("bytes=2-3");
    assert_eq!((part.head.status(), part.body.as_slice()), (206, b"cd".as_slice()));
    assert_eq!(part.head.header("Content-Range"), Some("bytes 2-3/5"));
    let refused = get("bytes=9-");
    assert_eq!((refused.head.status(), refused.head.header("Content-Range")), (416, Some("bytes */5")));
}

#[test]
fn passthrough_leaves_an_encoded_body_encoded() {
    // Whoever decoded it would fail: it is no gzip.
    let (backref, fake) = up(|visit| visit.answer("200 OK", &["Content-Encoding: gzip"], "\u{1f}raw"));
    let request = "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: zstd,gzip,deflate\r\n\r\n";
    let answer = ask(backref.host(), request);
    assert_eq!((answer.head.header("Content-Encoding"), answer.text().as_str()), (Some("gzip"), "\u{1f}raw"));
    assert_eq!(fake.seen()[0].head.values("Accept-Encoding"), ["zstd,gzip,deflate"]);
}

#[test]
fn passthrough_gives_the_answer_that_follows_early_hints() {
    let (backref, _fake) = up(|visit| {
        visit.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        visit.answer("200 OK", &[], "final");
    });
    assert_eq!(ask(backref.host(), GET).text(), "final");
}
