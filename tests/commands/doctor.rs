//! `doctor --write`: what a registry takes, found out by pushing.

use crate::run::run;
use crate::stand::{KINDS, up};
use crate::support::{Backref, Holdings, http};

#[test]
fn doctor_finds_out_what_distribution_takes_and_leaves_nothing() {
    for kind in KINDS {
        let stand = up(kind);
        let ran = run(&stand.backref, "doctor --write app/trial");
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        for says in [
            "OK    app/trial: it takes image manifests\n",
            "OK    app/trial: it takes image manifests with a subject",
            "OK    app/trial: it takes indexes with a subject",
            "OK    app/trial: it refuses artifact manifests (400 Bad Request): they are wrapped in image manifests",
            "OK    app/trial: it has no referrers API",
            "OK    app/trial: a referrers tag can be written, and overwritten",
            "OK    app/trial: it takes deletes: what was tried is gone again",
        ] {
            assert!(ran.stdout.contains(says), "{kind:?}, {says}: {}", ran.stdout);
        }
        let tags = http::get(&format!("{}/v2/app/trial/tags/list", stand.registry.url()), &[]);
        let none = tags.status == 404 || tags.json()["tags"].as_array().is_none_or(Vec::is_empty);
        assert!(none, "{kind:?}: {tags:?}");
        let ran = run(&stand.backref, "doctor --write App");
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn doctor_says_what_a_strict_registry_refuses() {
    let holdings = Holdings::default();
    let fake = holdings.upstream(|held, visit| {
        let target = visit.head.target().to_owned();
        if target.contains("/blobs/") {
            visit.answer("200 OK", &["Content-Length: 2"], "");
        } else if visit.is("PUT") && target.contains("/sha256-") && held.holds(&target) {
            visit.body();
            visit.answer("409 Conflict", &[], r#"{"errors":[{"code":"DENIED","message":"immutable"}]}"#);
        } else if visit.is("DELETE") {
            visit.answer("405 Method Not Allowed", &[], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#);
        } else if visit.head.target().contains("/referrers/") {
            visit.answer("404 Not Found", &[], "");
        } else {
            return false;
        }
        true
    });
    let backref = Backref::of(&fake.url()).start();
    let ran = run(&backref, "doctor --write app");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for says in [
        "OK    app: it takes artifact manifests (201 Created): they are passed through",
        "FAIL  app: it refuses to overwrite a tag (409 Conflict)",
        "WARN  app: deletes are off there (405 Method Not Allowed)",
    ] {
        assert!(ran.stdout.contains(says), "{says}: {}", ran.stdout);
    }
}
