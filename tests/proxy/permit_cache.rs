//! How long a permit is cached, and for whom.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::manifests::{INDEX, REPOSITORY, plain, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, http, served, sha256, until};
use crate::wire::Wire;

fn everything_is_there() -> Fake {
    Fake::start(|visit| visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""))
}

fn ask(backref: &Backref, repository: &str, headers: &[(&str, &str)]) {
    assert!(http::referrers(backref.host(), repository, &sha256(b"subject"), headers).is_empty());
}

/// A token that says it ends then; nobody checks its signature here.
fn jwt(end: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{end}}}"));
    format!("Bearer {}.{payload}.signature", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[test]
fn permit_is_cached_for_the_repository() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).without_tags().start();
    for number in 0..10 {
        let digest = sha256(&[number]);
        assert!(http::referrers(backref.host(), REPOSITORY, &digest, &[]).is_empty());
    }
    assert_eq!(fake.count("HEAD"), 1);
}

#[test]
fn permit_is_cached_for_one_repository_and_one_caller() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).without_tags().start();
    let callers: [&[(&str, &str)]; 6] = [
        &[],
        &[("Authorization", "Basic YTph")],
        &[("Authorization", "Basic YTpi")],
        &[("Cookie", "a=b")],
        &[("X-JFrog-Art-Api", "key")],
        &[("X-Api-Key", "a"), ("Cookie", "a=b")],
    ];
    for _ in 0..2 {
        for caller in callers {
            ask(&backref, "app", caller);
            ask(&backref, "app/other", caller);
        }
    }
    assert_eq!(fake.count("HEAD"), 2 * callers.len());
    // Headers by which no upstream decides make no other caller.
    ask(&backref, "app", &[("User-Agent", "other"), ("Accept", "a/b")]);
    assert_eq!(fake.count("HEAD"), 2 * callers.len());
}

#[test]
fn permit_in_the_cache_expires() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).config("[permit]\nttl = \"500ms\"\n").without_tags().start();
    ask(&backref, "app", &[]);
    let granted = Instant::now();
    until("the permit to end", || (granted.elapsed() > Duration::from_millis(600)).then_some(()));
    ask(&backref, "app", &[]);
    assert_eq!(fake.count("HEAD"), 2);
}

#[test]
fn permit_without_a_cache_is_asked_for_at_every_query() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).config("[permit]\nttl = \"0\"\n").without_tags().start();
    for _ in 0..3 {
        ask(&backref, "app", &[]);
    }
    assert_eq!(fake.count("HEAD"), 3);
}

#[test]
fn permit_of_an_expired_token_is_not_cached() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).without_tags().start();
    // The upstream may allow for clocks that differ: its answer counts, but is not cached.
    for end in [now() - 1, 0] {
        let before = fake.count("HEAD");
        for _ in 0..3 {
            ask(&backref, "app", &[("Authorization", &jwt(&end.to_string()))]);
        }
        assert_eq!(fake.count("HEAD") - before, 3, "exp {end}");
    }
}

#[test]
fn permit_of_a_token_is_cached_until_the_token_expires() {
    let fake = everything_is_there();
    let backref = Backref::of(&fake.url()).without_tags().start();
    let end = now() + 5;
    let token = jwt(&end.to_string());
    let headers = [("Authorization", token.as_str())];
    ask(&backref, "app", &headers);
    ask(&backref, "app", &headers);
    assert_eq!(fake.count("HEAD"), 1);
    until("the token to end", || (now() > end).then_some(()));
    ask(&backref, "app", &headers);
    assert_eq!(fake.count("HEAD"), 2);
}

#[test]
fn permit_refusal_is_never_cached() {
    let opened = Gate::default();
    let open = opened.clone();
    let fake = Fake::start(move |visit| {
        if open.is_open() {
            visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "");
        } else {
            visit.answer("401 Unauthorized", &[], "");
        }
    });
    let backref = Backref::of(&fake.url()).without_tags().start();
    let url = format!("{}/v2/app/referrers/{}", backref.url(), sha256(b"subject"));
    assert_eq!(http::get(&url, &[]).status, 401);
    opened.open();
    assert_eq!(http::get(&url, &[]).status, 200);
}

#[test]
fn permit_asked_for_by_many_at_once_costs_the_registry_one_request() {
    const CLIENTS: usize = 50;
    let answer = Gate::default();
    let held = answer.clone();
    let fake = Fake::start(move |visit| {
        visit.body();
        if visit.is("HEAD") {
            held.pass();
            visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "");
        } else {
            visit.answer("201 Created", &[], "");
        }
    });
    let backref = Backref::of(&fake.url()).without_tags().start();
    let subject = sha256(b"subject");
    let digest = crate::manifests::push(backref.host(), &referrer(&subject, "a"));
    let url = format!("{}/v2/{REPOSITORY}/referrers/{subject}", backref.url());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || http::get(&url, &[]))
        })
        .collect();
    answer.wait_for(1);
    // Until backref has taken all of them in.
    until("all clients to be waiting", || (served(&backref) == CLIENTS).then_some(()));
    answer.open();
    for client in clients {
        let answer = client.join().expect("no client panics");
        assert_eq!(answer.json()["manifests"][0]["digest"], digest);
    }
    assert_eq!(fake.count("HEAD"), 1);
}

#[test]
fn permit_reaches_the_other_callers_though_the_first_disconnects() {
    let answer = Gate::default();
    let held = answer.clone();
    let fake = Fake::start(move |visit| {
        held.pass();
        visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "");
    });
    let backref = Backref::of(&fake.url()).without_tags().start();
    let target = format!("/v2/{REPOSITORY}/referrers/{}", sha256(b"subject"));
    let mut first = Wire::to(backref.host());
    first.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    answer.wait_for(1);
    let mut second = Wire::to(backref.host());
    second.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    until("the second to be waiting", || (served(&backref) == 2).then_some(()));
    drop(first);
    until("the first one's leaving to be noticed", || (served(&backref) == 1).then_some(()));
    answer.open();
    assert_eq!(second.answer().head.status(), 200);
}

/// A registry that lets browsers read says so of the list too, whether it was asked just now or not.
#[test]
fn permit_brings_what_browsers_may_do() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let allowed = ["Access-Control-Allow-Origin: https://ui.test", "Access-Control-Expose-Headers: Link"];
    let fake = holdings.upstream(move |held, visit| {
        if let Some(reply) = held.apply(visit) {
            reply.with(&allowed).give(visit);
        }
        true
    });
    let backref = Backref::of(&fake.url()).start();
    let url = format!("{}/v2/{REPOSITORY}/referrers/{}", backref.url(), sha256(&subject));
    for round in ["asked", "cached"] {
        let answer = http::get(&url, &[("Origin", "https://ui.test")]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), "https://ui.test", "{round}");
        assert_eq!(answer.header("Access-Control-Expose-Headers"), "Link", "{round}");
        assert_eq!(answer.header("Vary"), "Origin", "{round}: a cache would give it to another page");
    }
}
