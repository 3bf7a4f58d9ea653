//! A referrers tag that could not be written is stale, and flushed by the next push.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stand::{delete, list, metric, plain, put, put_as, referrer, up};
use crate::support::{Backref, Fake, Gate, Holdings, Kind, http, sha256, until};

const INDEX: &str = crate::stand::INDEX;

#[test]
fn referrers_tag_that_another_client_overwrote_is_stale_once_that_is_seen() {
    let stand = up(Kind::Distribution2);
    let pushed = ["a", "b"].map(|name| stand.push(name));
    put(&stand.registry.url(), &stand.tag(), &list(&[&referrer(&stand.subject, "b")]));
    let last = stand.push("c");
    let all = [pushed[0].clone(), pushed[1].clone(), last];
    assert_eq!((stand.listed(), stand.tagged()), (all.to_vec(), all.to_vec()));
    stand.flushed();
}

/// A registry that refuses to write tags while the flag is set, and holds the subject.
fn refusing(status: &'static str) -> (Fake, Holdings, String, Arc<AtomicBool>) {
    let (holdings, refuses) = (Holdings::default(), Arc::new(AtomicBool::new(true)));
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let (held, refusing) = (holdings.clone(), Arc::clone(&refuses));
    let fake = Fake::start(move |visit| {
        let is_tag = visit.head.target().contains("/manifests/sha256-");
        if visit.is("PUT") && is_tag && refusing.load(Ordering::SeqCst) {
            visit.body();
            visit.answer(status, &[], r#"{"errors":[{"code":"DENIED"}]}"#);
        } else {
            held.serve(visit);
        }
    });
    (fake, holdings, sha256(&subject), refuses)
}

#[test]
fn referrers_tag_refusal_never_fails_the_push_and_the_next_push_flushes() {
    for status in ["403 Forbidden", "400 Bad Request", "409 Conflict", "401 Unauthorized"] {
        let (fake, holdings, subject, refuses) = refusing(status);
        let backref = Backref::of(&fake.url()).start();
        let push = |name: &str| {
            let manifest = referrer(&subject, name);
            put(&backref.url(), &sha256(&manifest), &manifest)
        };
        push("a");
        assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 1, "{status}");
        refuses.store(false, Ordering::SeqCst);
        push("b");
        assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 0, "{status}");
        assert!(holdings.holds(&format!("/v2/app/manifests/{}", subject.replace(':', "-"))));
    }
}

#[test]
fn referrers_tag_write_that_is_slow_does_not_hold_the_push_and_completes() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let gate = Gate::default();
    let (held, slow) = (holdings.clone(), gate.clone());
    let fake = Fake::start(move |visit| {
        if visit.is("PUT") && visit.head.target().contains("/manifests/sha256-") {
            visit.body();
            slow.pass();
        }
        held.serve(visit);
    });
    let backref = Backref::of(&fake.url()).start();
    let manifest = referrer(&subject, "a");
    let started = std::time::Instant::now();
    let digest = put(&backref.url(), &sha256(&manifest), &manifest);
    assert!(started.elapsed().as_secs() < 10, "the push is answered while the write of the referrers tag stands still");
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 1);
    gate.open();
    until("the tag to be written", || (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(()));
    let listed = http::referrers(backref.host(), "app", &subject, &[]);
    assert_eq!(listed[0]["digest"], digest.as_str());
}

/// A write that was given up may land after a later one: until it can't any more, the referrers tag counts as stale.
#[test]
fn referrers_tag_write_that_lands_late_loses_no_referrer() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let (first, landed) = (Arc::new(AtomicBool::new(true)), Gate::default());
    let late = Gate::default();
    let (held, gate, done) = (holdings.clone(), late.clone(), landed.clone());
    let fake = Fake::start(move |visit| {
        let is_tag = visit.is("PUT") && visit.head.target().contains("/manifests/sha256-");
        if is_tag && first.swap(false, Ordering::SeqCst) {
            visit.body();
            gate.pass();
            held.serve(visit);
            done.count();
        } else {
            held.serve(visit);
        }
    });
    let config = "[upstream]\nanswer_timeout = \"1s\"\nconnect_timeout = \"500ms\"\n[permit]\nttl = \"0\"\n\
                  [referrers]\nrecheck = \"100ms\"\n";
    let backref = Backref::of(&fake.url()).config(config).start();
    let push = |name: &str| {
        let manifest = referrer(&subject, name);
        put(&backref.url(), &sha256(&manifest), &manifest)
    };
    let a = push("a");
    let b = push("b");
    // The second write was answered, and yet it may not be the last.
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 1);
    late.open();
    landed.wait_for(1);
    let tag = format!("{}/v2/app/manifests/{}", fake.url(), subject.replace(':', "-"));
    let tagged = || {
        let index = http::get(&tag, &[("Accept", INDEX)]).json();
        let entries = index["manifests"].as_array().expect("a list").clone();
        entries.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tagged(), std::slice::from_ref(&a), "the late write replaced the second");
    // Once nothing can land any more, a push adds the second referrer again.
    until("the referrers tag to be flushed", || {
        assert_eq!(push("a"), a);
        (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(())
    });
    assert_eq!(tagged(), [a, b]);
}

#[test]
fn referrers_tag_is_stale_after_a_delete_by_a_caller_who_may_not_push() {
    let (fake, _, subject, refuses) = refusing("403 Forbidden");
    refuses.store(false, Ordering::SeqCst);
    let backref = Backref::of(&fake.url()).start();
    let [gone, _kept] = ["gone", "kept"].map(|name| {
        let manifest = referrer(&subject, name);
        put(&backref.url(), &sha256(&manifest), &manifest)
    });
    refuses.store(true, Ordering::SeqCst);
    assert_eq!(delete(&backref.url(), &gone), 202);
    assert_eq!(http::referrers(backref.host(), "app", &subject, &[]).len(), 1);
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 1);
    refuses.store(false, Ordering::SeqCst);
    let manifest = referrer(&subject, "last");
    assert_eq!(put_as(&backref.url(), &sha256(&manifest), &manifest).status, 201);
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 0);
}
