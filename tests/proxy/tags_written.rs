//! `digest_tags = "write"`: each referrer under a tag of its own, in the upstream.

use std::time::{Duration, Instant};

use crate::manifests::{INDEX, REPOSITORY, delete, digest_tag, listed, path, plain, push_as, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, Visit, http, sha256, until};

const WRITE: &str = "[referrers]\ndigest_tags = \"write\"\n";

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
}

/// In front of an upstream that does so with a push under a digest tag.
fn up(with_tag: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let fake = holdings.upstream(move |held, visit| {
        let is_tag = visit.is("PUT") && visit.head.target().contains("/sha256-");
        if is_tag {
            with_tag(held, visit);
        }
        is_tag
    });
    Stand {
        backref: Backref::of(&fake.url()).config(WRITE).without_tags().start(),
        fake,
        holdings,
        subject: sha256(&subject),
    }
}

impl Stand {
    fn counted(&self, outcome: &str) -> bool {
        let metrics = http::get(&format!("{}/metrics", self.backref.admin_url()), &[]).text();
        metrics.contains(&format!("backref_digest_tags_total{{outcome=\"{outcome}\"}} 1\n"))
    }
}

#[test]
fn digest_tag_is_written_for_each_referrer_with_the_pushers_credentials() {
    let stand = up(Holdings::serve);
    let manifest = referrer(&stand.subject, "a");
    let digest = sha256(&manifest);
    let url = format!("{}{}", stand.backref.url(), path(&digest));
    let headers = [("Content-Type", INDEX), ("Authorization", "Basic x"), ("X-Odd", "1"), ("If-Match", "no")];
    let answer = http::send("PUT", &url, &headers, &manifest);
    assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()));
    let tag = digest_tag(&stand.subject, &manifest);
    assert!(stand.holdings.holds(&path(&tag)));
    let seen = stand.fake.seen().pop().expect("it was asked");
    assert_eq!((seen.head.method(), seen.head.target()), ("PUT", path(&tag).as_str()));
    assert_eq!(seen.body.as_ref(), Some(&manifest));
    for (name, values) in [("Content-Type", &[INDEX][..]), ("Authorization", &["Basic x"]), ("If-Match", &[])] {
        assert_eq!(seen.head.values(name), values);
    }
    assert!(stand.counted("written"));
    assert_eq!(listed(&stand.backref, &stand.subject), [digest]);
}

#[test]
fn digest_tag_is_not_written_where_the_push_has_it_or_names_no_subject() {
    let stand = up(Holdings::serve);
    let manifest = referrer(&stand.subject, "a");
    let tag = digest_tag(&stand.subject, &manifest);
    for reference in [tag.clone(), format!("{}?tag={tag}", sha256(&manifest))] {
        assert_eq!(push_as(stand.backref.host(), &reference, &manifest).status, 201);
    }
    let plain = plain("a");
    assert_eq!(push_as(stand.backref.host(), &digest_tag(&stand.subject, &plain), &plain).status, 201);
    assert_eq!(push_as(stand.backref.host(), "v1", &plain).status, 201);
    assert_eq!(stand.fake.count("PUT"), 4);
}

#[test]
fn digest_tag_that_the_registry_refuses_changes_nothing_for_the_pusher() {
    let stand = up(|_, visit| {
        visit.body();
        visit.answer("403 Forbidden", &["Content-Type: application/json", "X-Odd: 1"], "{}");
    });
    let manifest = referrer(&stand.subject, "a");
    let answer = push_as(stand.backref.host(), "v1", &manifest);
    assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()));
    assert_eq!(answer.header("X-Odd"), "");
    assert!(stand.counted("refused"));
    assert!(stand.backref.log().contains("has no digest tag"), "{}", stand.backref.log());
    assert_eq!(listed(&stand.backref, &stand.subject), [sha256(&manifest)]);
}

#[test]
fn digest_tag_write_that_stands_still_does_not_hold_the_answer_for_long() {
    let gate = Gate::default();
    let held = gate.clone();
    let stand = up(move |holdings, visit| {
        visit.body();
        held.pass();
        holdings.serve(visit);
    });
    let manifest = referrer(&stand.subject, "a");
    let started = Instant::now();
    assert_eq!(push_as(stand.backref.host(), "v1", &manifest).status, 201);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(stand.counted("failed"));
    assert_eq!(listed(&stand.backref, &stand.subject), [sha256(&manifest)]);
    gate.open();
}

#[test]
fn push_whose_digest_tag_lands_after_a_delete_is_listed_again() {
    let (gate, landed) = (Gate::default(), Gate::default());
    let (held, done) = (gate.clone(), landed.clone());
    let stand = up(move |holdings, visit| {
        visit.body();
        held.pass();
        // By now nobody waits for it.
        holdings.serve(visit);
        done.count();
    });
    let manifest = referrer(&stand.subject, "a");
    let digest = sha256(&manifest);
    assert_eq!(push_as(stand.backref.host(), &digest, &manifest).status, 201);
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert!(!stand.holdings.holds(&path(&digest)) && listed(&stand.backref, &stand.subject).is_empty());
    gate.open();
    landed.wait_for(1);
    assert!(stand.holdings.holds(&path(&digest)), "the tag has brought the manifest back");
    let all = || (listed(&stand.backref, &stand.subject) == [digest.clone()]).then_some(());
    until("what is there to be listed", all);
    // And it can be deleted again.
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert!(!stand.holdings.holds(&path(&digest)) && listed(&stand.backref, &stand.subject).is_empty());
}
