//! The same failures while referrers tags are written: clients that leave, registries that stand still, a store that
//! can't be written or is gone.

use std::fs;
use std::thread;

use crate::manifests::{INDEX, path, push, push_as, referrer};
use crate::stand::{Hold, Stand};
use crate::steps::SHORT;
use crate::support::{Gate, Holdings, Registry, http, served, sha256, until};
use crate::tagged::{self, KINDS, metric, url};
use crate::wire::{Wire, error_code};

/// Requests about the referrers tag are held back, once that is switched on.
fn held_at(method: &'static str) -> (Stand, Hold, Gate) {
    let (hold, on) = (Hold::new(method), Gate::default());
    let (late, switch) = (hold.clone(), on.clone());
    let script = move |holdings: &Holdings, visit: &mut crate::support::Visit| {
        if switch.is_open() && visit.head.target().contains("/manifests/sha256-") {
            late.serve(holdings, visit);
        } else {
            holdings.serve(visit);
        }
    };
    (Stand::with(script, |backref| backref.on_sqlite().config("[permit]\nttl = \"0\"\n")), hold, on)
}

fn tag(stand: &Stand) -> String {
    stand.subject.replace(':', "-")
}

fn tagged(stand: &Stand) -> Vec<String> {
    let answer = http::get(&url(&stand.fake.url(), &tag(stand)), &[("Accept", INDEX)]);
    let entries = answer.json()["manifests"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

fn pending(stand: &Stand) -> u64 {
    metric(&stand.backref, "backref_referrers_tags_pending")
}

fn put_request(target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {INDEX}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A client that disconnects while the registry has a request about the referrers tag: before it acts, or answers.
fn leaves(method: &'static str, request: impl Fn(&Stand) -> Vec<u8>, expected: &[&str]) {
    for acts_before in [false, true] {
        let (stand, hold, on) = held_at(method);
        for name in ["a", "b"] {
            push(stand.backref.host(), &stand.referrer(name));
        }
        until("what is left to do after a push", || (pending(&stand) == 0).then_some(()));
        stand.holdings.hold("app", INDEX, &stand.referrer("new"));
        on.open();
        let mut wire = Wire::to(stand.backref.host());
        wire.send(request(&stand));
        if acts_before {
            hold.act.open();
            hold.answer.wait_for(1);
        } else {
            hold.act.wait_for(1);
        }
        drop(wire);
        until("backref to take notice", || (served(&stand.backref) == 0).then_some(()));
        hold.act.open();
        hold.answer.open();
        let expected: Vec<String> = expected.iter().map(|name| sha256(&stand.referrer(name))).collect();
        until("what the client asked for to be done", || (stand.listed() == expected).then_some(()));
        until("the referrers tag to have it", || (tagged(&stand) == expected && pending(&stand) == 0).then_some(()));
    }
}

#[test]
fn referrers_tag_is_written_though_the_client_disconnects_during_its_push() {
    let push = |stand: &Stand| {
        let manifest = stand.referrer("new");
        put_request(&path(&sha256(&manifest)), &manifest)
    };
    leaves("HEAD", push, &["a", "b", "new"]);
    leaves("PUT", push, &["a", "b", "new"]);
}

#[test]
fn referrers_tag_is_written_though_the_client_disconnects_during_its_delete() {
    let delete = |stand: &Stand| {
        let target = path(&sha256(&stand.referrer("a")));
        format!("DELETE {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
    };
    leaves("HEAD", delete, &["b"]);
    leaves("PUT", delete, &["b"]);
}

#[test]
fn referrers_tag_of_a_client_that_disconnects_is_completed() {
    let write = |stand: &Stand| put_request(&path(&tag(stand)), &tagged::list(&[&stand.referrer("new")]));
    leaves("PUT", write, &["a", "b", "new"]);
}

#[test]
fn referrers_tag_lock_is_free_after_a_client_disconnects_while_the_tag_is_read() {
    let (stand, hold, on) = held_at("GET");
    let manifest = stand.referrer("before");
    stand.holdings.hold("app", INDEX, &manifest);
    stand.holdings.hold_at(&path(&tag(&stand)), INDEX, &tagged::list(&[&manifest]));
    on.open();
    let mut wire = Wire::to(stand.backref.host());
    wire.send(format!("GET /v2/app/referrers/{} HTTP/1.1\r\nHost: a\r\n\r\n", stand.subject));
    hold.act.wait_for(1);
    drop(wire);
    until("backref to take notice", || (served(&stand.backref) == 0).then_some(()));
    hold.act.open();
    hold.answer.open();
    assert_eq!(stand.listed(), [sha256(&manifest)]);
    let new = push(stand.backref.host(), &stand.referrer("new"));
    assert_eq!(tagged(&stand), [sha256(&manifest), new]);
}

#[test]
fn referrers_tag_agrees_with_a_registry_that_froze_during_pushes_and_deletes() {
    for kind in KINDS {
        let stand = tagged::with(Registry::of(kind), |backref| backref.config(SHORT));
        let pushed = ["a", "b", "c"].map(|name| stand.push(name));
        stand.flushed();
        let around = stand.push_around("around");
        stand.registry.pause();
        let send = |method: &'static str, reference: String, body: Vec<u8>| {
            let url = url(&stand.url(), &reference);
            thread::spawn(move || http::send(method, &url, &[("Content-Type", INDEX)], &body))
        };
        let stuck = tagged::referrer(&stand.subject, "stuck");
        let requests = [
            send("PUT", sha256(&stuck), stuck),
            send("DELETE", pushed[0].clone(), Vec::new()),
            send("PUT", stand.tag(), tagged::list(&[&around])),
        ];
        for request in requests {
            let answer = request.join().expect("an answer");
            // 503: the lock of the referrers tag was not free in that time, and nothing was sent.
            assert!(matches!(answer.status, 503 | 504), "{kind:?}: {answer:?}");
            assert_eq!(error_code(&answer.body), "UNAVAILABLE", "{kind:?}");
        }
        stand.registry.resume();
        let mut number = 0;
        until("the query, the referrers tag and the registry to agree", || {
            number += 1;
            stand.push(&format!("next {number}"));
            let listed = stand.listed();
            let there =
                |digest: &String| http::get(&url(&stand.registry.url(), digest), &[("Accept", INDEX)]).status == 200;
            let known = pushed.iter().all(|digest| there(digest) == listed.contains(digest));
            (stand.pending() == 0 && stand.tagged() == listed && known && listed.iter().all(there)).then_some(())
        });
        let listed = stand.listed();
        assert!(listed.contains(&pushed[1]) && listed.contains(&pushed[2]), "{kind:?}: nobody deleted them");
    }
}

#[test]
fn referrers_tag_restores_the_referrers_of_a_deleted_database() {
    for kind in KINDS {
        let mut stand = tagged::with(Registry::of(kind), |backref| backref.config(SHORT).on_sqlite());
        let mut pushed = ["a", "b"].map(|name| stand.push(name)).to_vec();
        stand.flushed();
        fs::remove_file(stand.backref.database()).expect("the file is there");
        // What can't be recorded is refused before the registry hears of it.
        let writes = || stand.about_the_tag(0).iter().filter(|request| request.starts_with("PUT")).count();
        let before = writes();
        let list = tagged::list(&[]);
        let answer = tagged::put_as(&stand.url(), &stand.tag(), &list);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"), "{kind:?}");
        assert_eq!(tagged::delete(&stand.url(), &pushed[0]), 503, "{kind:?}");
        let refused = tagged::referrer(&stand.subject, "refused");
        assert_eq!(tagged::put_as(&stand.url(), &sha256(&refused), &refused).status, 503, "{kind:?}");
        assert_eq!((writes(), stand.listed()), (before, pushed.clone()), "{kind:?}");

        stand.backref.kill();
        for ending in ["-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{ending}", stand.backref.database().display())));
        }
        stand.backref.start();
        assert_eq!(stand.listed(), pushed, "{kind:?}: restored from the referrers tag");
        pushed.push(stand.push("c"));
        assert_eq!((stand.listed(), stand.tagged()), (pushed.clone(), pushed), "{kind:?}");
    }
}

#[test]
fn referrers_tag_restores_what_an_older_copy_of_the_database_lacks() {
    let mut stand = tagged::with(Registry::of(KINDS[0]), |backref| backref.config(SHORT).on_sqlite());
    let first = stand.push("first");
    stand.flushed();
    stand.backref.terminate();
    let copy = stand.backref.directory().join("copy.db");
    fs::copy(stand.backref.database(), &copy).expect("a copy");
    stand.backref.start();
    let second = stand.push("second");
    stand.flushed();
    stand.backref.terminate();
    fs::rename(&copy, stand.backref.database()).expect("one file system");
    stand.backref.start();
    // What the copy lacks is in the referrers tag, which is read again after the first answer.
    until("both referrers to be listed", || (stand.listed() == [first.as_str(), &second]).then_some(()));
    let third = stand.push("third");
    assert_eq!(stand.tagged(), [first, second, third]);
}

#[test]
fn disk_full_while_a_referrers_tag_is_written_leaves_it_stale() {
    let (mut stand, hold, on) = held_at("PUT");
    let first = push(stand.backref.host(), &stand.referrer("first"));
    stand.backref.terminate();
    let limited = crate::disk_full::Limited::start(&stand.backref);
    on.open();
    let manifest = stand.referrer("second");
    let client = stand.push_meanwhile(&manifest);
    hold.act.wait_for(1);
    limited.limit(Some(1));
    hold.act.open();
    hold.answer.open();
    assert_eq!(client.join().expect("an answer").status, 201, "the relation was in the database before");
    let refused = push_as(stand.backref.host(), &tag(&stand), &tagged::list(&[&manifest]));
    assert_eq!((refused.status, error_code(&refused.body).as_str()), (503, "UNAVAILABLE"));
    limited.limit(None);
    drop(limited);
    stand.backref.start();
    assert_eq!(pending(&stand), 1, "the outcome of the write could not be recorded");
    assert_eq!(stand.listed(), [first, sha256(&referrer(&stand.subject, "second"))]);
}
