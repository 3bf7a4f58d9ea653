//! The referrers tag where a registry, the caller's rights or its size set limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::stand::{INDEX, delete, list, metric, plain, put, referrer, up, url};
use crate::support::{Backref, Fake, Gate, Holdings, Kind, http, sha256, until};

/// One referrer more than fit into 4 MiB with all their annotations.
#[test]
fn referrers_tag_leaves_out_the_longest_annotations_where_it_would_be_too_large() {
    let stand = up(Kind::Distribution2);
    let large = |name: &str| {
        let mut manifest: Value = serde_json::from_slice(&referrer(&stand.subject, name)).expect("JSON");
        manifest["annotations"]["long"] = "x".repeat(900 << 10).into();
        manifest.to_string().into_bytes()
    };
    let mut pushed: Vec<String> =
        ["a", "b", "c", "d", "e"].map(large).iter().map(|one| put(&stand.url(), &sha256(one), one)).collect();
    pushed.push(stand.push("small"));
    stand.flushed();
    assert_eq!(stand.tagged(), pushed);
    let index = stand.index().expect("a tag");
    let with = index["manifests"].as_array().expect("a list").iter().filter(|one| one.get("annotations").is_some());
    assert_eq!(with.count(), 5, "the annotations of one of the five long ones are left out");
    let listed = http::referrers(stand.backref.host(), "app", &stand.subject, &[]);
    assert!(listed.iter().all(|one| one.get("annotations").is_some()), "the API has pages");
}

#[test]
fn referrers_tag_is_written_by_the_next_pusher_where_the_first_may_not() {
    const MAY: &str = "Basic bWF5OnB1c2g=";
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let (held, gate) = (holdings.clone(), Gate::default());
    let looks = gate.clone();
    let fake = Fake::start(move |visit| {
        let is_tag = visit.head.target().contains("/manifests/sha256-");
        let may = visit.head.header("Authorization") == Some(MAY);
        if is_tag && visit.is("HEAD") && !may {
            looks.pass();
        }
        if is_tag && visit.is("PUT") && !may {
            visit.body();
            visit.answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], "{}");
        } else {
            held.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let push = |name: &str, headers: &[(&str, &str)]| {
        let manifest = referrer(&subject, name);
        let headers = [&[("Content-Type", INDEX)], headers].concat();
        http::send("PUT", &url(&backref.url(), &sha256(&manifest)), &headers, &manifest)
    };
    let answers = std::thread::scope(|scope| {
        let first = scope.spawn(|| push("first", &[("Authorization", "Basic bm90OnB1c2g=")]));
        gate.wait_for(1);
        let second = scope.spawn(|| push("second", &[("Authorization", MAY)]));
        until("the second to be committed", || (metric(&backref, "backref_unresolved_writes") == 0).then_some(()));
        gate.open();
        [first, second].map(|client| client.join().expect("an answer"))
    });
    for answer in answers {
        assert_eq!(
            (answer.status, answer.header("WWW-Authenticate")),
            (201, ""),
            "one caller's 401 is never another caller's answer"
        );
    }
    until("the tag to be written", || (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(()));
    let tag = url(&fake.url(), &subject.replace(':', "-"));
    assert_eq!(http::get(&tag, &[]).json()["manifests"].as_array().map(Vec::len), Some(2));
}

/// zot answers 405 to the delete of what a tagged index lists, and deletes it by itself once no index does.
#[test]
fn referrers_tag_is_cleared_first_where_the_registry_keeps_what_a_tag_lists() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let (held, named) = (holdings.clone(), Arc::new(AtomicBool::new(false)));
    let gone = sha256(&referrer(&subject, "gone"));
    let victim = gone.clone();
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        if visit.is("PUT") && target.contains("/manifests/sha256-") {
            let list = String::from_utf8(visit.body().expect("a list")).expect("text");
            let is_named = list.contains(&victim);
            if named.swap(is_named, Ordering::SeqCst) && !is_named {
                held.forget(&format!("/v2/app/manifests/{victim}"));
            }
        } else if visit.is("DELETE") && target.ends_with(&victim) && named.load(Ordering::SeqCst) {
            visit.answer("405 Method Not Allowed", &[], json!({"errors": [{"code": "UNSUPPORTED"}]}).to_string());
            return;
        }
        held.serve(visit);
    });
    let backref = Backref::of(&fake.url()).start();
    for name in ["gone", "kept"] {
        let manifest = referrer(&subject, name);
        put(&backref.url(), &sha256(&manifest), &manifest);
    }
    assert_eq!(delete(&backref.url(), &gone), 202, "the referrer was deleted, if not by the DELETE");
    assert_eq!(http::referrers(backref.host(), "app", &subject, &[]).len(), 1);
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 0);
}

/// Such an index may list thousands of manifests, and each is read to know that none refers to the subject.
#[test]
fn referrers_tag_that_is_never_written_is_not_read_at_each_push_and_delete() {
    const PUSHES: usize = 20;
    let stand = up(Kind::Distribution2);
    let other = plain("other");
    put(&stand.registry.url(), &sha256(&other), &other);
    put(&stand.registry.url(), &stand.tag(), &list(&[&other]));
    let pushed: Vec<String> = (0..PUSHES).map(|n| stand.push(&n.to_string())).collect();
    let reads = stand.about_the_tag(0).iter().filter(|line| line.starts_with("GET")).count();
    assert!(reads < PUSHES / 2, "read {reads} times");
    assert_eq!(stand.listed(), pushed);
    assert_eq!((stand.tagged(), stand.pending()), (vec![sha256(&other)], 1));
    let before = stand.registry.requests().len();
    let (gone, pushed) = pushed.split_at(PUSHES / 2);
    for one in gone {
        assert_eq!(delete(&stand.url(), one), 202);
    }
    let reads = stand.about_the_tag(before).iter().filter(|line| line.starts_with("GET")).count();
    assert!(reads < gone.len() / 2, "read {reads} times");
    assert_eq!(stand.listed(), pushed);
    assert_eq!(delete(&stand.registry.url(), &sha256(&list(&[&other]))), 202);
    stand.push("last");
    stand.flushed();
    assert_eq!(stand.tagged().len(), pushed.len() + 1);
}

/// While the upstream does not answer, few of the pushes wait to write the referrers tag, and those write for all.
#[test]
fn referrers_tag_has_few_waiting_writers_and_they_write_for_all() {
    const PUSHES: usize = 100;
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let (held, gate, first) = (holdings.clone(), Gate::default(), AtomicBool::new(true));
    let slow = gate.clone();
    let fake = Fake::start(move |visit| {
        let is_tag = visit.head.target().contains("/manifests/sha256-");
        if visit.is("PUT") && is_tag && first.swap(false, Ordering::SeqCst) {
            visit.body();
            slow.pass();
        }
        held.serve(visit);
    });
    let backref = Backref::of(&fake.url()).start();
    std::thread::scope(|scope| {
        for number in 0..PUSHES {
            let (backref, subject) = (&backref, &subject);
            scope.spawn(move || {
                let manifest = referrer(subject, &number.to_string());
                put(&backref.url(), &sha256(&manifest), &manifest);
            });
        }
    });
    assert_eq!(metric(&backref, "backref_referrers_tags_pending"), 1);
    gate.open();
    until("the tag to be written", || (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(()));
    let tag = url(&fake.url(), &subject.replace(':', "-"));
    assert_eq!(http::get(&tag, &[]).json()["manifests"].as_array().map(Vec::len), Some(PUSHES));
}
