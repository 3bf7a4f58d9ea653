//! Orders of events in which something would be lost, as `tests/model` finds them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::stand::{INDEX, delete, list, plain, put, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, Visit, http, sha256, until};

/// A registry with a subject, in which `meddle` sees every request about a manifest first.
fn registry(meddle: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static) -> (Fake, Holdings, String) {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let held = holdings.clone();
    let fake = Fake::start(move |visit| {
        if !meddle(&held, visit) {
            held.serve(visit);
        }
    });
    (fake, holdings, sha256(&subject))
}

fn is_tag(visit: &Visit) -> bool {
    visit.head.target().contains("/manifests/sha256-")
}

fn push(backref: &str, subject: &str, name: &str) -> String {
    let manifest = referrer(subject, name);
    put(backref, &sha256(&manifest), &manifest)
}

fn tagged(fake: &Fake, subject: &str) -> Vec<String> {
    let tag = format!("{}/v2/app/manifests/{}", fake.url(), subject.replace(':', "-"));
    let index = http::get(&tag, &[("Accept", INDEX)]).json();
    let entries = index["manifests"].as_array().expect("a list").clone();
    entries.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

#[test]
fn referrers_tag_read_does_not_flush_a_push_that_came_meanwhile() {
    let (slow, gate) = (Arc::new(AtomicBool::new(false)), Gate::default());
    let (slowly, look) = (slow.clone(), gate.clone());
    let (fake, _, subject) = registry(move |_, visit| {
        if visit.is("HEAD") && is_tag(visit) && slowly.swap(false, Ordering::SeqCst) {
            look.pass();
        }
        false
    });
    let backref = Backref::of(&fake.url()).start();
    let a = push(&backref.url(), &subject, "a");
    let listed = || http::referrers(backref.host(), "app", &subject, &[]).len();
    slow.store(true, Ordering::SeqCst);
    assert_eq!(listed(), 1);
    gate.wait_for(1);
    let b = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push(&backref.url(), &subject, "b"));
        until("the second to be committed", || (listed() == 2).then_some(()));
        gate.open();
        pushing.join().expect("a digest")
    });
    until("the tag to have both", || (tagged(&fake, &subject) == [a.clone(), b.clone()]).then_some(()));
}

#[test]
fn referrers_tag_gets_back_what_a_write_of_unknown_outcome_took_out_for_a_refused_delete() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = broken.clone();
    let (fake, _, subject) = registry(move |held, visit| {
        if visit.is("DELETE") && !is_tag(visit) {
            visit.answer("405 Method Not Allowed", &[], "{}");
            return true;
        }
        if visit.is("PUT") && is_tag(visit) && breaks.swap(false, Ordering::SeqCst) {
            held.apply(visit);
            visit.answer("500 Internal Server Error", &[], "{}");
            return true;
        }
        false
    });
    let backref = Backref::of(&fake.url()).start();
    let [a, b] = ["a", "b"].map(|name| push(&backref.url(), &subject, name));
    broken.store(true, Ordering::SeqCst);
    assert_eq!(delete(&backref.url(), &a), 405);
    until("the tag to have both", || (tagged(&fake, &subject) == [a.clone(), b.clone()]).then_some(()));
}

#[test]
fn referrers_tag_keeps_an_entry_that_could_not_be_read_write_after_write() {
    let (fake, holdings, subject) = registry(|_, visit| {
        if visit.is("GET") && visit.head.target().ends_with(&sha256(&referrer(&sha256(&plain("subject")), "around"))) {
            visit.answer("429 Too Many Requests", &[], "{}");
            return true;
        }
        false
    });
    let around = referrer(&subject, "around");
    holdings.hold("app", INDEX, &around);
    put(&fake.url(), &subject.replace(':', "-"), &list(&[&around]));
    let backref = Backref::of(&fake.url()).start();
    let [a, b] = ["a", "b"].map(|name| push(&backref.url(), &subject, name));
    assert_eq!(tagged(&fake, &subject), [a, b, sha256(&around)]);
}

#[test]
fn referrers_tag_of_a_client_is_not_acknowledged_before_its_entries_are_recorded() {
    let around = referrer(&sha256(&plain("subject")), "around");
    let (digest, limited) = (sha256(&around), Arc::new(AtomicBool::new(true)));
    let limits = limited.clone();
    let (fake, holdings, subject) = registry(move |_, visit| {
        let refuses = visit.is("GET") && visit.head.target().ends_with(&digest) && limits.load(Ordering::SeqCst);
        if refuses {
            visit.answer("429 Too Many Requests", &[], "{}");
        }
        refuses
    });
    holdings.hold("app", INDEX, &around);
    let backref = Backref::of(&fake.url()).start();
    let tag = subject.replace(':', "-");
    let answer = crate::stand::put_as(&backref.url(), &tag, &list(&[&around]));
    assert_eq!((answer.status, answer.header("Retry-After")), (503, "5"));
    assert_eq!(tagged(&fake, &subject), [sha256(&around)], "nothing of it is lost");
    limited.store(false, Ordering::SeqCst);
    put(&backref.url(), &tag, &list(&[&around]));
    assert_eq!(tagged(&fake, &subject), [sha256(&around)]);
}

#[test]
fn referrers_tag_import_brings_back_nothing_that_was_deleted_meanwhile() {
    let around = referrer(&sha256(&plain("subject")), "around");
    let (digest, gate) = (sha256(&around), Gate::default());
    let (slow, first) = (gate.clone(), AtomicBool::new(true));
    let (fake, holdings, subject) = registry(move |held, visit| {
        let is_it = visit.is("GET") && visit.head.target().ends_with(&digest) && first.swap(false, Ordering::SeqCst);
        if is_it {
            let reply = held.apply(visit).expect("a whole request");
            slow.pass();
            reply.give(visit);
        }
        is_it
    });
    holdings.hold("app", INDEX, &around);
    put(&fake.url(), &subject.replace(':', "-"), &list(&[&around]));
    let backref = Backref::of(&fake.url()).start();
    let listed = std::thread::scope(|scope| {
        let asking = scope.spawn(|| http::referrers(backref.host(), "app", &subject, &[]));
        gate.wait_for(1);
        assert_eq!(delete(&backref.url(), &sha256(&around)), 202);
        gate.open();
        asking.join().expect("a list")
    });
    assert!(listed.is_empty(), "{listed:?}");
    assert!(http::referrers(backref.host(), "app", &subject, &[]).is_empty());
}

#[test]
fn push_that_lands_after_a_delete_is_found() {
    let (gate, late) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (hold, slow) = (gate.clone(), late.clone());
    let (fake, _, subject) = registry(move |_, visit| {
        if visit.is("PUT") && !is_tag(visit) && slow.swap(false, Ordering::SeqCst) {
            visit.body();
            hold.pass();
        }
        false
    });
    let config = "[upstream]\nanswer_timeout = \"500ms\"\nconnect_timeout = \"500ms\"\n[permit]\nttl = \"0\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let manifest = referrer(&subject, "a");
    let a = push(&backref.url(), &subject, "a");
    late.store(true, Ordering::SeqCst);
    assert_eq!(crate::stand::put_as(&backref.url(), &a, &manifest).status, 504);
    let listed = || {
        let listed = http::referrers(backref.host(), "app", &subject, &[]);
        listed.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(), std::slice::from_ref(&a), "which asks about the push of unknown outcome");
    assert_eq!(delete(&backref.url(), &a), 202);
    gate.open();
    until("what landed late to be listed", || (listed() == [a.clone()]).then_some(()));
}
