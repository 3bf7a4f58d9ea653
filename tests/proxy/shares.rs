//! What one caller may take of what all share: memory for manifests and large answers, and work that goes on when its
//! client has left.

use std::iter::repeat_n;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::manifests::{INDEX, REPOSITORY, path, plain, push, referrer};
use crate::stand::configured;
use crate::support::{Backref, Fake, Gate, Holdings, http, served, sha256, until};
use crate::wire::{Wire, error_code};

/// The largest manifest.
const LARGE: usize = 4 << 20;

/// Two places where clients are.
const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Longer than a queue of manifests takes on a loaded machine.
const LONG: Duration = Duration::from_mins(5);

/// An upstream that takes everything and keeps nothing.
fn taking() -> Fake {
    Fake::start(|visit| {
        if visit.discard() {
            let status = if visit.is("PUT") { "201 Created" } else { "200 OK" };
            visit.answer(status, &[&format!("Content-Type: {INDEX}")], "");
        }
    })
}

/// A manifest of exactly that many bytes.
fn manifest_of(length: usize, mut manifest: Value) -> Vec<u8> {
    manifest["annotations"]["long"] = "".into();
    let around = manifest.to_string().len();
    manifest["annotations"]["long"] = "x".repeat(length - around).into();
    manifest.to_string().into_bytes()
}

fn large() -> Vec<u8> {
    manifest_of(LARGE, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}))
}

/// The head of a push of that many bytes by `who`, which is a caller of its own.
fn head(who: &str, length: usize) -> String {
    let path = path("v1");
    format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {who}\r\nContent-Type: {INDEX}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// A whole push, and the status of the answer to it; 0: it was ended before the answer.
fn put(backref: &Backref, who: &str, manifest: &[u8]) -> u16 {
    let mut wire = Wire::to(backref.host()).patient(LONG);
    wire.send(head(who, manifest.len()));
    // It may be refused before all of it is sent.
    let _ = wire.try_send(manifest);
    wire.try_answer().map_or(0, |answer| answer.head.status())
}

fn get(address: [u8; 4], backref: &Backref, who: &str, path: &str, slow: bool) -> Wire {
    let mut wire = Wire::from(address, backref.host(), slow);
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {who}\r\n\r\n"));
    wire
}

/// Clients at that address that hold back the last byte of a manifest of 4 MiB: each with what it was answered in the
/// end. Given once so many of them have been let in.
fn holding_back<'a>(
    backref: &Backref,
    address: [u8; 4],
    callers: impl Iterator<Item = &'a str>,
    let_in: usize,
) -> Vec<JoinHandle<u16>> {
    let (manifest, sent) = (Arc::new(large()), Arc::new(AtomicUsize::new(0)));
    let hold = |who: &str| {
        let mut wire = Wire::from(address, backref.host(), false).patient(LONG);
        wire.send(head(who, LARGE));
        let (manifest, sent) = (manifest.clone(), sent.clone());
        thread::spawn(move || {
            // What has no place yet is not read, and may be sent away.
            if wire.try_send(&manifest[..LARGE - 1]).is_ok() {
                sent.fetch_add(1, Ordering::SeqCst);
            }
            wire.try_answer().map_or(0, |answer| answer.head.status())
        })
    };
    let holding: Vec<_> = callers.map(hold).collect();
    let is_read = || sent.load(Ordering::SeqCst) >= let_in && served(backref) >= let_in;
    until("what is let in to be read", || is_read().then_some(()));
    holding
}

/// Whether none of them has been answered.
fn are_holding(clients: &[JoinHandle<u16>]) -> bool {
    clients.iter().all(|client| !client.is_finished())
}

fn metric(backref: &Backref, name: &str) -> usize {
    let text = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a number of that name")
}

#[test]
fn limits_pushes_of_the_largest_manifests_wait_for_their_turn() {
    let fake = taking();
    let backref = Backref::of(&fake.url()).without_tags().start();
    let manifest = large();
    let referrers: Vec<_> = (0..8)
        .map(|number| {
            let referrer = referrer(&sha256(b"subject"), &number.to_string());
            manifest_of(LARGE, serde_json::from_slice(&referrer).expect("JSON"))
        })
        .collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|number| {
                let (backref, manifest) = (&backref, referrers.get(number).unwrap_or(&manifest));
                scope.spawn(move || put(backref, "one", manifest))
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("an answer")).collect()
    });
    let accepted = statuses.iter().filter(|status| **status == 201).count();
    let peak = backref.peak_memory() >> 20;
    println!("{accepted} of 200 accepted, {peak} MiB at the most");
    assert_eq!(accepted, 200, "{statuses:?}");
    assert!(peak < 128, "{peak} MiB at the most");
}

#[test]
fn limits_heads_of_pushes_take_nothing() {
    let fake = taking();
    let backref = Backref::of(&fake.url()).start();
    let mut idle: Vec<_> = (0..520)
        .map(|_| {
            let mut wire = Wire::to(backref.host());
            wire.send(head("one", LARGE));
            wire
        })
        .collect();
    until("all heads to be read", || (served(&backref) == idle.len()).then_some(()));
    assert_eq!(put(&backref, "one", &plain("small")), 201);
    assert_eq!(put(&backref, "one", &large()), 201);
    assert!(idle.iter_mut().step_by(20).all(|wire| wire.is_silent_for(Duration::from_millis(1))));
}

#[test]
fn limits_who_holds_back_a_byte_keeps_others_from_nothing() {
    let fake = taking();
    let backref = Backref::of(&fake.url()).start();
    let holding = holding_back(&backref, HERE, repeat_n("holding", 8), 2);
    assert_eq!(put(&backref, "holding", &plain("small")), 201, "small ones have room of their own");
    let mut chunked = Wire::to(backref.host());
    chunked.send(head("holding", 7).replace("Content-Length: 7", "Transfer-Encoding: chunked"));
    chunked.send("2\r\n{}\r\n0\r\n\r\n");
    assert_eq!(chunked.answer().head.status(), 201, "of whatever length");
    assert_eq!(put(&backref, "other", &large()), 201, "others have shares of their own");
    assert!(are_holding(&holding));
}

#[test]
fn limits_who_holds_back_a_byte_is_sent_away() {
    let fake = taking();
    let backref = Backref::of(&fake.url()).config("[limits]\nstall_timeout = \"2m\"\n").start();
    let started = Instant::now();
    let holding = holding_back(&backref, HERE, repeat_n("one", 2), 2);
    assert_eq!(put(&backref, "one", &large()), 201, "it waited");
    let statuses = holding.into_iter().map(|client| client.join().expect("an answer"));
    assert_eq!(statuses.collect::<Vec<_>>(), [408, 408]);
    assert!(started.elapsed() < Duration::from_mins(1), "not only when a manifest's time is over");
}

#[test]
fn limits_made_up_credentials_share_what_one_address_may_take() {
    let fake = taking();
    let backref = Backref::of(&fake.url()).start();
    let callers: Vec<_> = (0..16).map(|number| format!("made-up-{number}")).collect();
    let holding = holding_back(&backref, ELSEWHERE, callers.iter().map(String::as_str), 3);
    assert_eq!(put(&backref, "other", &large()), 201);
    assert!(are_holding(&holding));
}

#[test]
fn limits_slow_readers_of_large_pages_take_their_own_share() {
    let stand = configured("");
    for name in ["a", "b", "c", "d", "e"] {
        let referrer = serde_json::from_slice(&referrer(&stand.subject, name)).expect("JSON");
        push(stand.backref.host(), &manifest_of(800 << 10, referrer));
    }
    let list = format!("/v2/{REPOSITORY}/referrers/{}", stand.subject);
    let mut slow: Vec<_> = (0..8).map(|_| get(ELSEWHERE, &stand.backref, "slow", &list, true)).collect();
    until("some to be answered", || {
        let answered = slow.iter_mut().filter_map(|wire| (!wire.is_silent_for(Duration::from_millis(1))).then_some(()));
        (answered.count() >= 2).then_some(())
    });
    let answer = get(HERE, &stand.backref, "other", &list, false).answer();
    assert_eq!((answer.head.status(), answer.body.len() > 3 << 20), (200, true), "{} bytes", answer.body.len());
    assert_eq!(put(&stand.backref, "another", &large()), 201);
}

#[test]
fn limits_slow_readers_of_a_list_of_tags_take_their_own_share() {
    let tags: Vec<String> = (0..500_000).map(|number| format!("tag-{number}")).collect();
    let list = json!({"name": REPOSITORY, "tags": tags}).to_string();
    let length = list.len();
    let fake = Fake::start(move |visit| {
        if visit.head.target().ends_with("/tags/list") {
            visit.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            visit.send(format!("{length:x}\r\n{list}\r\n0\r\n\r\n"));
        } else if visit.discard() {
            visit.answer("201 Created", &[], "");
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let list = format!("/v2/{REPOSITORY}/tags/list");
    let mut slow: Vec<_> = (0..2).map(|_| get(ELSEWHERE, &backref, "slow", &list, true)).collect();
    until("one to be answered", || {
        slow.iter_mut().any(|wire| !wire.is_silent_for(Duration::from_millis(1))).then_some(())
    });
    until("both to be asked for", || (fake.count("GET") == 2).then_some(()));
    assert_eq!(put(&backref, "other", &large()), 201);
    let answer = get(HERE, &backref, "other", &list, false).answer();
    assert_eq!((answer.head.status(), answer.body.len()), (200, length));
}

#[test]
fn limits_deletes_of_clients_that_left_are_few() {
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit| {
        if visit.is("DELETE") && !visit.head.target().contains("/other/") {
            held.pass();
        }
        let status = if visit.is("DELETE") { "202 Accepted" } else { "200 OK" };
        visit.answer(status, &[&format!("Content-Type: {INDEX}")], "");
    });
    let config = "[limits]\nconnections = 100\nstall_timeout = \"2s\"\n";
    let backref = Backref::of(&fake.url()).without_tags().config(config).start();
    let delete = |address, who: &str, repository: &str, name: &str| {
        let mut wire = Wire::from(address, backref.host(), false);
        let digest = sha256(name.as_bytes());
        let path = format!("/v2/{repository}/manifests/{digest}");
        wire.send(format!("DELETE {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {who}\r\n\r\n"));
        wire
    };
    // Of one caller, then of many at one address.
    for (round, most) in [25, 50, 50, 50].into_iter().enumerate() {
        let leaving = (0..90).map(|number| {
            let name = format!("{round}-{number}");
            delete(ELSEWHERE, if round == 0 { "one" } else { &name }, REPOSITORY, &name)
        });
        let leaving: Vec<_> = leaving.collect();
        until("as many as may to be sent", || (fake.count("DELETE") >= most).then_some(()));
        drop(leaving);
        until("backref to see that they left", || (served(&backref) == 0).then_some(()));
        let sent = fake.count("DELETE");
        assert!(sent <= most, "round {round}: {sent} were sent");
    }
    let detached = metric(&backref, "backref_detached_tasks");
    assert!((1..=50).contains(&detached), "{detached} go on");
    // More of the same have to wait, in vain.
    let answer = delete(ELSEWHERE, "late", REPOSITORY, "late").answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (503, "TOOMANYREQUESTS"));
    assert_eq!(answer.head.values("Retry-After").len(), 1);
    assert_eq!(
        delete(HERE, "other", "other/app", "other").answer().head.status(),
        202,
        "others have places of their own"
    );
    gate.open();
    until("all to be done", || (metric(&backref, "backref_detached_tasks") == 0).then_some(()));
    assert_eq!(delete(ELSEWHERE, "late", REPOSITORY, "late").answer().head.status(), 202);
}

#[test]
fn limits_tags_that_are_written_after_their_push_was_answered() {
    let (gate, holdings) = (Gate::default(), Holdings::default());
    let held = gate.clone();
    let fake = holdings.upstream(move |_, visit| {
        if visit.is("PUT") && visit.head.target().contains("/sha256-") {
            held.pass();
        }
        false
    });
    // Places for eight, of which one caller may have two.
    let config = "[upstream]\nconnections = 8\n[limits]\nstall_timeout = \"2s\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let send = |who: &str, name: &str| {
        let subject = plain(name);
        holdings.hold(REPOSITORY, INDEX, &subject);
        put(&backref, who, &referrer(&sha256(&subject), name))
    };
    assert_eq!([send("one", "a"), send("one", "b")], [201, 201], "the tags are late, and no push waits for that");
    assert_eq!(send("one", "c"), 503, "what is still to be written is this caller's");
    assert_eq!(send("other", "d"), 201);
    gate.open();
    until("all to be written", || (metric(&backref, "backref_detached_tasks") == 0).then_some(()));
    assert_eq!(send("one", "c"), 201);
}

#[test]
fn limits_a_manifest_of_unknown_length_is_taken_whole() {
    let fake = Fake::start(|visit| {
        if visit.body().is_some() {
            visit.answer("201 Created", &[], "");
        }
    });
    let backref = Backref::of(&fake.url()).start();
    for length in [64 << 10, (64 << 10) + 1, 1 << 20, LARGE] {
        let manifest = manifest_of(length, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));
        let mut wire = Wire::to(backref.host());
        wire.send(head("one", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked"));
        for piece in manifest.chunks(100_000) {
            wire.send(format!("{:x}\r\n", piece.len()));
            wire.send(piece);
            wire.send("\r\n");
        }
        wire.send("0\r\n\r\n");
        assert_eq!(wire.answer().head.status(), 201, "{length}");
        assert!(fake.seen().last().is_some_and(|seen| seen.body.as_ref() == Some(&manifest)), "{length}");
    }
}
