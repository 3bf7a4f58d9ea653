//! What operators read: the access log, what a request is known by, changes of state once, and no secret in any of it.

use std::io::Write;
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{Backref, Fake, http, until};

const ALL: &str = "[log]\nformat = \"json\"\naccess = 1\n";

fn echo() -> Fake {
    Fake::start(|visit| {
        let body = visit.body().unwrap_or_default();
        visit.answer("200 OK", &["Content-Type: text/plain"], [b"here ".as_slice(), &body].concat());
    })
}

/// The lines on standard error, each of which has to be an object.
fn lines(backref: &Backref) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    backref.log().lines().map(parse).collect()
}

fn accesses(backref: &Backref, count: usize) -> Vec<Value> {
    until("the access log", || {
        let mut found = lines(backref);
        found.retain(|line| line["target"] == "backref::access");
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn logs_access_has_the_facts_of_a_request_as_fields() {
    let fake = echo();
    let backref = Backref::of(&fake.url()).config(ALL).start();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("X-Request-Id", "mine-1"),
        ("traceparent", trace),
        ("User-Agent", "tests/1"),
        ("Authorization", "Bearer s3cret"),
    ];
    let path = "/v2/app/blobs/uploads/1";
    let url = format!("{}{path}?digest=sha256:00&_state=s3cret", backref.url());
    assert_eq!(http::send("PUT", &url, &headers, b"four").status, 200);
    let [line] = &accesses(&backref, 1)[..] else { panic!("one line") };
    let of = |name: &str| line[name].clone();
    for (name, value) in [
        ("method", "PUT"),
        ("path", path),
        ("query", "digest=sha256:00&_state=…"),
        ("route", "passthrough"),
        ("client", "127.0.0.1"),
        ("user_agent", "tests/1"),
        ("request_id", "mine-1"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("upstream", &fake.host()),
    ] {
        assert_eq!(of(name), value, "{name}: {line}");
    }
    assert_eq!(
        (of("status"), of("bytes_in"), of("bytes_out"), of("whole")),
        (200.into(), 4.into(), 9.into(), true.into())
    );
    let (all, upstream) = (of("duration_seconds").as_f64().unwrap(), of("upstream_duration_seconds").as_f64().unwrap());
    assert!(0.0 < upstream && upstream <= all && all < 30.0, "{line}");
    let page = include_str!("../../docs/metrics-and-logs.md");
    for name in
        line.as_object().unwrap().keys().filter(|name| !["level", "target", "timestamp"].contains(&name.as_str()))
    {
        assert!(page.contains(&format!("`{name}`")), "the docs don't say what {name} is");
    }
    assert!(!backref.log().contains("s3cret"), "{}", backref.log());
    assert_eq!(fake.seen()[0].head.values("X-Request-Id"), ["mine-1"]);
}

#[test]
fn logs_access_is_off_by_itself_and_a_switch_of_its_own() {
    let fake = echo();
    let quiet = Backref::of(&fake.url()).config("[log]\nformat = \"json\"\n").start();
    let loud = Backref::of(&fake.url()).config(&format!("{ALL}filter = \"error\"\n")).start();
    for backref in [&quiet, &loud] {
        http::get(&format!("{}/v2/", backref.url()), &[]);
    }
    assert_eq!(accesses(&loud, 1).len(), 1);
    assert!(!quiet.log().contains("backref::access"), "{}", quiet.log());
}

#[test]
fn logs_access_of_a_part_has_all_that_fail() {
    let fake = Fake::start(|visit| {
        let status = if visit.head.target() == "/v2/bad" { "500 Internal Server Error" } else { "200 OK" };
        visit.answer(status, &[], "");
    });
    let backref = Backref::of(&fake.url()).config("[log]\nformat = \"json\"\naccess = 0.000001\n").start();
    for _ in 0..50 {
        http::get(&format!("{}/v2/good", backref.url()), &[]);
    }
    http::get(&format!("{}/v2/bad", backref.url()), &[]);
    let found = accesses(&backref, 1);
    assert!(found.iter().any(|line| line["path"] == "/v2/bad"), "{found:?}");
    assert!(found.len() < 5, "one in a million: {found:?}");
}

#[test]
fn logs_access_says_that_an_answer_was_not_whole() {
    let fake = Fake::start(|visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        visit.close();
    });
    let backref = Backref::of(&fake.url()).config(ALL).start();
    assert!(http::try_send("GET", &format!("{}/v2/", backref.url()), &[], b"").is_err());
    let [line] = &accesses(&backref, 1)[..] else { panic!("one line") };
    let facts = (&line["whole"], &line["status"], &line["bytes_out"]);
    assert_eq!(facts, (&false.into(), &200.into(), &4.into()), "{line}");
}

#[test]
fn logs_request_id_is_made_where_none_can_be_used_and_stands_in_errors() {
    let fake = echo();
    let backref = Backref::of(&fake.url()).config(ALL).start();
    http::get(&format!("{}/v2/", backref.url()), &[("X-Request-Id", "two words")]);
    let id = fake.seen()[0].head.values("X-Request-Id")[0].to_owned();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let refused = http::get(&format!("{}/v2/../x", backref.url()), &[("X-Request-Id", "mine")]);
    assert_eq!(refused.json()["errors"][0]["detail"]["request_id"], "mine", "{refused:?}");
}

#[test]
fn logs_say_once_that_the_registry_is_down_and_once_that_it_is_back() {
    let fake = echo();
    let (url, host) = (fake.url(), fake.host());
    let backref = Backref::of(&url).config("[log]\nformat = \"json\"\n").start();
    drop(fake);
    for _ in 0..20 {
        assert_eq!(http::get(&format!("{}/v2/", backref.url()), &[]).status, 502);
    }
    let again = Fake::start_at(&host, |visit| visit.answer("200 OK", &[], ""));
    for _ in 0..20 {
        assert_eq!(http::get(&format!("{}/v2/", backref.url()), &[]).status, 200);
    }
    drop(again);
    let said: Vec<Value> = lines(&backref)
        .into_iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.contains("the registry")))
        .collect();
    let [down, up] = &said[..] else { panic!("two lines: {said:#?}") };
    assert_eq!((&down["level"], &down["upstream"]), (&"WARN".into(), &Value::from(url.as_str())), "{down}");
    assert!(down["error"].as_str().is_some_and(|error| error.contains("Connection refused")), "{down}");
    assert_eq!((&up["level"], &up["failed"]), (&"INFO".into(), &20.into()), "{up}");
}

#[test]
fn logs_say_that_a_client_speaks_tls_to_the_plain_port() {
    let fake = echo();
    let backref = Backref::of(&fake.url()).start();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(backref.host()).unwrap();
        stream.write_all(&[22, 3, 1, 0, 200, 1]).unwrap();
    }
    let says = "a client speaks TLS where HTTP is spoken in the clear";
    until("a line", || backref.log().contains(says).then_some(()));
    assert_eq!(backref.log().matches(says).count(), 1, "{}", backref.log());
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn logs_of_machines_are_objects_from_the_first_line_on() {
    let fake = echo();
    let backref = Backref::of(&fake.url()).config("[log]\nformat = \"json\"\nfilter = \"trace\"\naccess = 1\n").start();
    let basic = STANDARD.encode("somebody:s3cret");
    for (name, value) in [("Authorization", format!("Basic {basic}")), ("Cookie", format!("session={basic}"))] {
        http::get(&format!("{}/v2/app/manifests/v1?token={basic}", backref.url()), &[(name, &value)]);
    }
    let first: Value = serde_json::from_str(&backref.announced()).expect("an object");
    assert_eq!((&first["listen"], &first["upstreams"][0]), (&backref.url().into(), &fake.url().into()), "{first}");
    assert_eq!(accesses(&backref, 2).len(), 2);
    assert!(!backref.log().contains(&basic), "no credential, whatever the level");
}
