//! `subject.on_delete`: what becomes of a deleted subject's referrers.

use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, Signal, kill_process};

use crate::manifests::{INDEX, REPOSITORY, delete, listed, path, plain, push, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, Visit, http, sha256, until};

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
}

fn up(on_delete: &str, decide: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let held = holdings.clone();
    let fake = Fake::start(move |visit| decide(&held, visit));
    let backref =
        Backref::of(&fake.url()).config(&format!("[subject]\non_delete = \"{on_delete}\"\n")).without_tags().start();
    Stand { backref, fake, holdings, subject: sha256(&subject) }
}

impl Stand {
    fn attach(&self, subject: &str, name: &str) -> String {
        push(self.backref.host(), &referrer(subject, name))
    }

    fn holds(&self, digest: &str) -> bool {
        self.holdings.holds(&path(digest))
    }

    fn metrics(&self) -> String {
        http::get(&format!("{}/metrics", self.backref.admin_url()), &[]).text()
    }
}

#[test]
fn on_delete_keep_leaves_the_referrers() {
    let stand = up("keep", Holdings::serve);
    let referrer = stand.attach(&stand.subject, "a");
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    assert!(stand.holds(&referrer));
    assert_eq!(listed(&stand.backref, &stand.subject), [referrer]);
    assert_eq!(stand.fake.count("DELETE"), 1);
}

#[test]
fn on_delete_referrers_deletes_referrers_and_their_referrers() {
    let stand = up("referrers", Holdings::serve);
    let direct: Vec<_> = (0..10).map(|n| stand.attach(&stand.subject, &format!("n{n}"))).collect();
    let second = stand.attach(&direct[3], "second");
    let third = stand.attach(&second, "third");
    let other = sha256(&plain("other"));
    let of_another = stand.attach(&other, "a");
    let headers = [("Authorization", "Basic YTph")];
    let answer = http::send("DELETE", &format!("{}{}", stand.backref.url(), path(&stand.subject)), &headers, b"");
    assert_eq!(answer.status, 202);
    for gone in direct.iter().chain([&second, &third]) {
        assert!(!stand.holds(gone), "{gone}");
    }
    assert!(stand.holds(&of_another));
    for subject in [&stand.subject, &direct[3], &second] {
        assert_eq!(listed(&stand.backref, subject), [""; 0]);
    }
    let deletes: Vec<_> = stand.fake.seen().into_iter().filter(|seen| seen.head.method() == "DELETE").collect();
    assert_eq!(deletes.len(), 13);
    assert!(deletes.iter().all(|seen| seen.head.values("Authorization") == ["Basic YTph"]));
    let metrics = stand.metrics();
    assert!(metrics.contains("backref_cascade_deletes_total{outcome=\"deleted\"} 12"), "{metrics}");
    assert!(metrics.contains("backref_cascade_deletes_total{outcome=\"kept\"} 0"), "{metrics}");
}

/// A registry that keeps a subject as long as something refers to it, as GitLab's does.
fn keeps_subjects(holdings: &Holdings, visit: &mut Visit, may: impl Fn(&str) -> bool) {
    let target = visit.head.target().to_owned();
    if visit.is("DELETE") {
        let (_, digest) = target.rsplit_once('/').expect("a path");
        if !may(digest) {
            return visit.answer("403 Forbidden", &[], "{}");
        }
        if !holdings.referrers(digest).is_empty() {
            let body = r#"{"errors":[{"code":"MANIFEST_REFERENCED","message":"manifest is referenced"}]}"#;
            return visit.answer("409 Conflict", &["Content-Type: application/json"], body);
        }
    }
    holdings.serve(visit);
}

#[test]
fn on_delete_referrers_deletes_them_first_where_the_registry_wants_that() {
    let stand = up("referrers", |holdings, visit| keeps_subjects(holdings, visit, |_| true));
    let direct = stand.attach(&stand.subject, "a");
    let second = stand.attach(&direct, "second");
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    for gone in [&second, &direct, &stand.subject] {
        assert!(!stand.holds(gone), "{gone}");
    }
    assert_eq!(listed(&stand.backref, &stand.subject), [""; 0]);
}

#[test]
fn on_delete_referrers_leaves_a_subject_whose_referrers_may_not_go() {
    let (kept, subject) = (Arc::new(OnceLock::<String>::new()), sha256(&plain("subject")));
    let held = kept.clone();
    let stand = up("referrers", move |holdings, visit| {
        keeps_subjects(holdings, visit, |digest| held.get().is_none_or(|kept| kept != digest));
    });
    let referrer = stand.attach(&subject, "a");
    kept.set(referrer.clone()).expect("once");
    let answer = delete(stand.backref.host(), &subject);
    assert_eq!((answer.status, answer.json()["errors"][0]["code"].as_str()), (409, Some("MANIFEST_REFERENCED")));
    assert!(stand.holds(&referrer) && stand.holds(&subject));
    assert_eq!(listed(&stand.backref, &subject), [referrer]);
}

#[test]
fn on_delete_referrers_leaves_the_referrers_of_a_subject_that_is_refused_for_another_reason() {
    let subject = sha256(&plain("subject"));
    let locked = subject.clone();
    let stand = up("referrers", move |holdings, visit| {
        if visit.is("DELETE") && visit.head.target().ends_with(&locked) {
            return visit.answer("409 Conflict", &[], r#"{"errors":[{"code":"DENIED","message":"immutable"}]}"#);
        }
        holdings.serve(visit);
    });
    let referrer = stand.attach(&subject, "a");
    assert_eq!(delete(stand.backref.host(), &subject).status, 409);
    assert!(stand.holds(&referrer));
}

#[test]
fn on_delete_referrers_leaves_what_the_caller_may_not_delete_and_its_referrers() {
    let kept_manifest = |subject: &str| referrer(subject, "kept");
    let kept = path(&sha256(&kept_manifest(&sha256(&plain("subject")))));
    let stand = up("referrers", move |holdings, visit| {
        if visit.is("DELETE") && visit.head.target() == kept {
            visit.answer("405 Method Not Allowed", &[], "");
        } else {
            holdings.serve(visit);
        }
    });
    let kept = push(stand.backref.host(), &kept_manifest(&stand.subject));
    let about_kept = stand.attach(&kept, "about");
    let gone = stand.attach(&stand.subject, "gone");
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    assert!(stand.holds(&kept) && stand.holds(&about_kept) && !stand.holds(&gone));
    assert_eq!(listed(&stand.backref, &stand.subject), [kept.as_str()]);
    assert_eq!(listed(&stand.backref, &kept), [about_kept]);
    assert!(stand.metrics().contains("backref_cascade_deletes_total{outcome=\"kept\"} 1"), "{}", stand.metrics());
    assert!(stand.backref.log().contains("some referrers of a deleted subject stay"));
}

#[test]
fn on_delete_referrers_deletes_nothing_where_the_subjects_delete_is_refused() {
    let stand = up("referrers", |holdings, visit| match visit.head.method() {
        "DELETE" => visit.answer("403 Forbidden", &[], ""),
        _ => holdings.serve(visit),
    });
    let referrer = stand.attach(&stand.subject, "a");
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 403);
    assert_eq!(stand.fake.count("DELETE"), 1);
    assert!(stand.holds(&referrer));
}

#[test]
fn on_delete_referrers_reaches_what_refers_to_a_referrer_that_is_gone_already() {
    let stand = up("referrers", Holdings::serve);
    let gone = stand.attach(&stand.subject, "gone");
    let about_gone = stand.attach(&gone, "about");
    stand.holdings.forget(&path(&gone));
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    assert!(!stand.holds(&about_gone));
}

#[test]
fn on_delete_referrers_leaves_what_refers_by_a_tag_alone() {
    let stand = up("referrers", Holdings::serve);
    let [stated, by_tag] = ["stated", "by-tag"].map(|name| stand.attach(&stand.subject, name));
    stand.backref.sql(&format!("UPDATE referrer SET via = 'tag' WHERE digest = '{by_tag}'"));
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    assert!(stand.holds(&by_tag) && !stand.holds(&stated));
}

#[test]
fn on_delete_referrers_leaves_the_rest_where_the_registry_fails() {
    let subject = path(&sha256(&plain("subject")));
    let stand = up("referrers", move |holdings, visit| {
        if visit.is("DELETE") && visit.head.target() != subject {
            visit.close();
        } else {
            holdings.serve(visit);
        }
    });
    let referrers: Vec<_> = (0..9).map(|n| stand.attach(&stand.subject, &format!("n{n}"))).collect();
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    assert!(stand.metrics().contains("backref_cascade_deletes_total{outcome=\"kept\"} 9"), "{}", stand.metrics());
    assert_eq!(listed(&stand.backref, &stand.subject), referrers);
}

#[test]
fn on_delete_referrers_answers_before_all_are_deleted_and_deletes_few_at_a_time() {
    let gate = Gate::default();
    let held_back = gate.clone();
    let subject = path(&sha256(&plain("subject")));
    let stand = up("referrers", move |holdings, visit| {
        if visit.is("DELETE") && visit.head.target() != subject {
            held_back.pass();
        }
        holdings.serve(visit);
    });
    let referrers: Vec<_> = (0..9).map(|n| stand.attach(&stand.subject, &format!("n{n}"))).collect();
    assert_eq!(delete(stand.backref.host(), &stand.subject).status, 202);
    // The answer comes while the first deletes of referrers are still under way.
    assert!(!gate.is_open() && referrers.iter().all(|one| stand.holds(one)));
    assert_eq!(stand.fake.count("DELETE"), 1 + 4);
    // backref waits for these deletes when it is terminated.
    let pid = i32::try_from(stand.backref.pid()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::TERM).expect("it runs");
    until("new connections to be refused", || TcpStream::connect(stand.backref.host()).is_err().then_some(()));
    gate.open();
    until("the others to go too", || referrers.iter().all(|one| !stand.holds(one)).then_some(()));
}
