//! `backref verify`: each difference has a name.

use serde_json::json;

use crate::run::{run, sqlite3};
use crate::stand::{INDEX, KINDS, delete, list, plain, put, referrer, up};
use crate::support::{Backref, Fake, Holdings, Kind, sha256};

#[test]
fn verify_finds_no_difference_after_pushes() {
    for kind in KINDS {
        let stand = up(kind);
        for name in ["a", "b"] {
            stand.push(name);
        }
        stand.flushed();
        let ran = run(&stand.backref, "verify");
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        assert!(ran.stdout.contains("subjects compared: 1; differences: 0"), "{kind:?}: {ran:?}");
    }
}

/// The kinds of differences with the referrer that each names.
fn differences(backref: &Backref) -> Vec<(String, String)> {
    let ran = run(backref, "verify --json");
    let lines = ran.lines();
    let named = lines.iter().filter(|line| line["kind"] != "done");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut named: Vec<_> = named.map(|line| (text(&line["kind"]), text(&line["referrer"]))).collect();
    named.sort();
    assert_eq!(ran.code, Some(i32::from(!named.is_empty())), "{ran:?}");
    named
}

#[test]
fn verify_finds_every_planted_difference() {
    let stand = up(Kind::Distribution2);
    let registry = stand.registry.url();
    let pushed: Vec<Vec<u8>> = ["a", "b", "c"].iter().map(|name| referrer(&stand.subject, name)).collect();
    for one in &pushed {
        put(&stand.url(), &sha256(one), one);
    }
    stand.flushed();
    let around = stand.push_around("around");
    let untrue = plain("refers to nobody");
    put(&registry, &sha256(&untrue), &untrue);
    // In another order, without the first, with two more; its descriptors say no artifact type.
    put(&registry, &stand.tag(), &list(&[&pushed[2], &around, &pushed[1], &untrue]));
    let found = |kind: &str, digest: &str| (kind.to_owned(), digest.to_owned());
    let mut expected = vec![
        found("not-in-tag", &sha256(&pushed[0])),
        found("not-in-database", &sha256(&around)),
        found("untrue-in-tag", &sha256(&untrue)),
        found("order", ""),
        found("described-differently", &sha256(&pushed[1])),
        found("described-differently", &sha256(&pushed[2])),
    ];
    expected.sort();
    assert_eq!(differences(&stand.backref), expected);
    let text = run(&stand.backref, "verify").stdout;
    let line =
        format!("app@{}: {} is in backref's database, but not in the referrers tag", stand.subject, sha256(&pushed[0]));
    assert!(text.contains(&line), "{text}");

    delete(&registry, &sha256(&untrue));
    assert!(differences(&stand.backref).contains(&found("gone-from-registry", &sha256(&untrue))));
    // After a backfill nothing differs.
    assert_eq!(run(&stand.backref, "backfill").code, Some(0));
    assert_eq!(differences(&stand.backref), []);
}

#[test]
fn verify_compares_a_referrers_tag_that_the_database_knows_nothing_of() {
    let stand = up(Kind::Distribution3);
    let around = stand.push_around("around");
    put(&stand.registry.url(), &stand.tag(), &list(&[&around]));
    assert_eq!(differences(&stand.backref), [("not-in-database".to_owned(), sha256(&around))]);
}

#[test]
fn verify_names_rows_of_which_the_registry_shows_nothing() {
    let mut stand = up(Kind::Distribution2);
    let pushed = stand.push("a");
    stand.flushed();
    stand.backref.terminate();
    for digest in [&stand.subject, &pushed] {
        delete(&stand.registry.url(), digest);
    }
    // The referrers tag as well: nothing is left.
    let index = stand.index().expect("a list").to_string();
    let tagged = sqlite3(&stand.backref.database(), "SELECT tag_digest FROM subject");
    assert_eq!(delete(&stand.registry.url(), tagged.trim()), 202, "{index}");
    assert_eq!(differences(&stand.backref), [("unseen".to_owned(), String::new())]);
}

#[test]
fn verify_asks_a_registry_that_has_a_referrers_api() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let digest = sha256(&subject);
    let [ours, theirs] = ["ours", "theirs"].map(|name| referrer(&digest, name));
    holdings.hold("app", INDEX, &theirs);
    let native = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": INDEX, "digest": sha256(&theirs), "size": theirs.len()}
    ]});
    let fake = Fake::start(move |visit| {
        if visit.head.target().starts_with("/v2/app/referrers/") {
            visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], native.to_string());
        } else {
            holdings.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    put(&backref.url(), &sha256(&ours), &ours);
    let expected = [("not-in-api".to_owned(), sha256(&ours)), ("only-in-api".to_owned(), sha256(&theirs))];
    assert_eq!(differences(&backref), expected);
    assert!(run(&backref, "doctor").stdout.contains("has a referrers API of its own"));
}
