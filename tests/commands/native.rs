//! In front of a registry that lists referrers itself.

use serde_json::json;

use crate::run::{in_database_of, run};
use crate::stand::{INDEX, plain, referrer};
use crate::support::{Backref, Fake, Holdings, sha256};

/// A registry with the API, with an image under a tag, and what refers to it and was pushed around backref.
fn up() -> (Backref, Fake, Holdings, [String; 2]) {
    let holdings = Holdings::default();
    let image = plain("image");
    holdings.hold("app", INDEX, &image);
    holdings.hold_at("/v2/app/manifests/v1", INDEX, &image);
    let signature = referrer(&sha256(&image), "signature");
    holdings.hold("app", INDEX, &signature);
    let held = holdings.clone();
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        if let Some((_, subject)) = target.split_once("/referrers/") {
            let digests = held.referrers(subject);
            let entries: Vec<_> =
                digests.iter().map(|digest| json!({"mediaType": INDEX, "digest": digest, "size": 2})).collect();
            let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
            visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], list.to_string());
        } else if target == "/v2/app/tags/list" {
            visit.answer("200 OK", &["Content-Type: application/json"], r#"{"name":"app","tags":["v1"]}"#);
        } else if target.starts_with("/v2/_catalog") {
            visit.answer("200 OK", &["Content-Type: application/json"], r#"{"repositories":["app"]}"#);
        } else {
            held.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    (backref, fake, holdings, [sha256(&image), sha256(&signature)])
}

#[test]
fn verify_finds_what_the_registry_lists_and_backfill_reads_it() {
    let (mut backref, fake, _, [image, signature]) = up();
    let ran = run(&backref, "verify");
    let says = format!("app@{image}: {signature} is in the registry's own list, but not in backref's database");
    assert!(ran.code == Some(1) && ran.stdout.contains(&says), "{ran:?}");
    let ran = run(&backref, "backfill");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    backref.terminate();
    assert_eq!(in_database_of(&backref, &fake.url(), "app", &image), [signature]);
    let ran = run(&backref, "verify");
    assert!(ran.code == Some(0) && ran.stdout.contains("subjects compared: 1;"), "{ran:?}");
}
