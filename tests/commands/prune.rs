//! `backref prune`: records of manifests that the registry no longer has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::run::{in_database, run};
use crate::stand::{INDEX, KINDS, delete, plain, put, referrer, up, url};
use crate::support::{Backref, Holdings, Kind, http, sha256};

#[test]
fn prune_unlists_a_deleted_referrer_and_drops_its_record_after_a_day() {
    for kind in KINDS {
        let mut stand = up(kind);
        let pushed: Vec<String> = ["a", "b", "c"].iter().map(|name| stand.push(name)).collect();
        stand.flushed();
        stand.backref.terminate();
        assert_eq!(run(&stand.backref, "prune --json").kinds(), [""; 0]);
        assert_eq!(delete(&stand.registry.url(), &pushed[1]), 202);
        let ran = run(&stand.backref, "prune --json");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec!["missing".to_owned()]), "{kind:?}: {ran:?}");
        let left = [pushed[0].clone(), pushed[2].clone()];
        assert_eq!(stand.tagged(), left, "{kind:?}: its tag was written");
        assert_eq!(in_database(&stand, "app", &stand.subject), left, "{kind:?}");

        assert_eq!(run(&stand.backref, "prune --json").kinds(), [""; 0], "not twice within a day");
        let two_days = 2 * 24 * 3600 * 1_000_000_u64;
        stand.backref.sql(&format!("UPDATE referrer SET changed_at = changed_at - {two_days} WHERE state = 'missing'"));
        let ran = run(&stand.backref, "prune --missing --json");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec!["dropped".to_owned()]), "{kind:?}: {ran:?}");
        assert_eq!(stand.backref.sql("SELECT count(*) FROM referrer").trim(), "2", "{kind:?}");
    }
}

#[test]
fn prune_lists_a_referrer_again_that_came_back() {
    let mut stand = up(Kind::Distribution2);
    let pushed = stand.push("a");
    stand.push("b");
    stand.flushed();
    stand.backref.terminate();
    stand.backref.sql(&format!("UPDATE referrer SET state = 'missing' WHERE digest = '{pushed}'"));
    let ran = run(&stand.backref, "prune --missing --json");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec!["back".to_owned()]), "{ran:?}");
    assert_eq!(in_database(&stand, "app", &stand.subject)[0], pushed);
}

#[test]
fn prune_keeps_every_record_while_the_registry_answers_404_to_everything() {
    let (holdings, hides) = (Holdings::default(), Arc::new(AtomicBool::new(false)));
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let hiding = Arc::clone(&hides);
    let fake = holdings.upstream(move |_, visit| {
        let hidden = hiding.load(Ordering::SeqCst);
        if hidden {
            visit.answer("404 Not Found", &[], "");
        }
        hidden
    });
    let backref = Backref::of(&fake.url()).start();
    let manifest = referrer(&subject, "a");
    let digest = put(&backref.url(), &sha256(&manifest), &manifest);
    hides.store(true, Ordering::SeqCst);
    for command in ["prune --json", "prune --json app"] {
        let ran = run(&backref, command);
        assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["kept".to_owned()]), "{ran:?}");
    }
    backref.sql("UPDATE subject SET last_arrival = 1");
    assert_eq!(run(&backref, "prune --orphans --yes --json").kinds(), [""; 0], "nor is anything an orphan");
    hides.store(false, Ordering::SeqCst);
    assert_eq!(http::referrers(backref.host(), "app", &subject, &[])[0]["digest"], digest.as_str());
    assert!(holdings.holds(&format!("/v2/app/manifests/{digest}")));
}

#[test]
fn prune_names_orphans_and_deletes_them_only_with_yes() {
    for kind in KINDS {
        let stand = up(kind);
        let registry = stand.registry.url();
        let orphan = stand.push("orphan");
        let about = referrer(&orphan, "about the orphan");
        put(&stand.url(), &sha256(&about), &about);
        let other = plain("another subject");
        put(&registry, &sha256(&other), &other);
        let kept = referrer(&sha256(&other), "kept");
        put(&stand.url(), &sha256(&kept), &kept);
        stand.flushed();
        assert_eq!(delete(&registry, &stand.subject), 202);
        let is_there =
            |digest: &str| http::get(&crate::stand::url(&registry, digest), &[("Accept", INDEX)]).status == 200;

        assert_eq!(run(&stand.backref, "prune --orphans --json").kinds(), [""; 0], "{kind:?}: it is too new");
        stand.backref.sql("UPDATE subject SET last_arrival = 1");
        let ran = run(&stand.backref, "prune --orphans --json");
        assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["orphan".to_owned()]), "{kind:?}: {ran:?}");
        assert_eq!(ran.lines()[0]["referrer"], orphan.as_str());
        assert!(is_there(&orphan), "{kind:?}");

        let ran = run(&stand.backref, "prune --orphans --yes --json");
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        assert!(!is_there(&orphan) && !is_there(&sha256(&about)), "{kind:?}: {ran:?}");
        assert!(is_there(&sha256(&kept)) && is_there(&sha256(&other)), "{kind:?}");
        assert_eq!((stand.tagged(), stand.listed()), (vec![], vec![]), "{kind:?}: no referrers tag is left");
    }
}

#[test]
fn prune_keeps_an_image_that_only_a_tag_makes_a_referrer() {
    let stand = up(Kind::Distribution2);
    let image = plain("an image that is in use");
    let digest = sha256(&image);
    // Of a subject that nobody ever pushed.
    let tag = format!("sha256-{}.{}", "0".repeat(64), &digest[7..23]);
    put(&stand.url(), &tag, &image);
    let count = stand.backref.sql("SELECT count(*) FROM referrer WHERE via = 'tag'");
    assert_eq!(count.trim(), "1");
    stand.backref.sql("UPDATE subject SET last_arrival = 1");
    let ran = run(&stand.backref, "prune --orphans --yes --json");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    assert_eq!(http::get(&crate::stand::url(&stand.registry.url(), &digest), &[("Accept", INDEX)]).status, 200);
}

#[test]
fn prune_keeps_referrers_of_a_subject_whose_carrier_is_not_in_the_database() {
    const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
    // 3.1 answers 404 to a digest that only a blob has; 2.8 answers 500, which leaves it open.
    let mut stand = up(Kind::Distribution3);
    let subject = serde_json::json!({"mediaType": ARTIFACT, "artifactType": "a/b", "blobs": []}).to_string();
    let original = sha256(subject.as_bytes());
    let answer = http::send("PUT", &url(&stand.url(), &original), &[("Content-Type", ARTIFACT)], subject.as_bytes());
    assert_eq!(answer.status, 201, "{answer:?}");
    let manifest = referrer(&original, "a");
    let digest = put(&stand.url(), &sha256(&manifest), &manifest);
    stand.flushed();
    stand.backref.terminate();
    stand.backref.sql("DELETE FROM alias; UPDATE subject SET last_arrival = 1");
    let ran = run(&stand.backref, "prune --orphans --yes --json app");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    let there = http::get(&url(&stand.registry.url(), &digest), &[("Accept", INDEX)]);
    assert_eq!(there.status, 200);
}
