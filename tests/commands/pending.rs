//! Stale referrers tags and unresolved writes: `doctor` names them, `repair` writes and resolves them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::run::run;
use crate::stand::{INDEX, delete, list, plain, put, referrer, up};
use crate::support::{Backref, Fake, Holdings, Kind, http, sha256};

#[test]
fn repair_writes_a_referrers_tag_that_was_refused_and_doctor_names_it_until_then() {
    let (holdings, refuses) = (Holdings::default(), Arc::new(AtomicBool::new(true)));
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let tag = subject.replace(':', "-");
    let (held, refusing) = (holdings.clone(), Arc::clone(&refuses));
    let fake = Fake::start(move |visit| {
        if visit.is("PUT") && visit.head.target().contains("/manifests/sha256-") && refusing.load(Ordering::SeqCst) {
            visit.body();
            visit.answer("403 Forbidden", &[], "");
        } else if visit.head.target().contains("/referrers/") {
            visit.answer("404 Not Found", &[], "");
        } else {
            held.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let manifest = referrer(&subject, "a");
    let digest = put(&backref.url(), &sha256(&manifest), &manifest);
    for command in ["doctor --json", "repair --json", "repair app --json"] {
        let ran = run(&backref, command);
        let stale = ran.lines().into_iter().find(|line| line["kind"] == "pending-tag").expect("a stale referrers tag");
        assert_eq!(
            (ran.code, &stale["repository"], &stale["subject"]),
            (Some(1), &"app".into(), &subject.clone().into())
        );
    }
    assert!(run(&backref, "doctor").stdout.contains("FAIL  app@"));
    assert!(run(&backref, "repair").stdout.contains("403 Forbidden"));
    assert_eq!(run(&backref, "repair elsewhere").code, Some(0));
    refuses.store(false, Ordering::SeqCst);
    let ran = run(&backref, "repair");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("1 referrers tag written"), "{ran:?}");
    let index = http::get(&format!("{}/v2/app/manifests/{tag}", fake.url()), &[("Accept", INDEX)]).text();
    assert!(index.contains(&digest), "{index}");
    let ran = run(&backref, "doctor");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for says in ["OK    nothing is pending", "OK    the registry has no referrers API in 1 of 1 repositories"] {
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
}

#[test]
fn repair_leaves_a_foreign_index_under_a_referrers_tags_name_as_it_is() {
    let stand = up(Kind::Distribution2);
    let ordinary = list(&[&plain("subject")]);
    put(&stand.registry.url(), &stand.tag(), &ordinary);
    stand.push("a");
    let ran = run(&stand.backref, "repair");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("something that is no list of referrers"), "{ran:?}");
    assert_eq!(stand.tagged(), std::slice::from_ref(&stand.subject));
}

#[test]
fn repair_resolves_a_delete_that_a_crash_left_unresolved() {
    let mut stand = up(Kind::Distribution2);
    let gone = stand.push("gone");
    let kept = stand.push("kept");
    stand.flushed();
    stand.backref.terminate();
    assert_eq!(delete(&stand.registry.url(), &gone), 202);
    // A delete that reached the registry, of a process that was killed before it could record that.
    let sql = format!(
        "INSERT INTO attempt (id, kind, upstream, repository, digest, subject, owner, deadline)
         VALUES (1, 'delete', '{}', 'app', '{gone}', '{}', NULL, 1)",
        stand.registry.host(),
        stand.subject
    );
    stand.backref.sql(&sql);
    let ran = run(&stand.backref, "doctor --json");
    assert!(ran.code == Some(1) && ran.kinds().contains(&"unresolved-write".to_owned()), "{ran:?}");
    let ran = run(&stand.backref, "repair");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(stand.tagged(), [kept]);
    assert_eq!(run(&stand.backref, "doctor").code, Some(0));
}
