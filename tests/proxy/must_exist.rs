//! `subject.must_exist`: a manifest whose subject is absent is refused before anything is written.

use serde_json::json;

use crate::manifests::{INDEX, delete, listed, path, plain, push, push_as, referrer};
use crate::support::{Backref, Fake, Holdings, Visit, sha256};
use crate::wire::error_code;

const CONFIG: &str = "[subject]\nmust_exist = true\n";

fn up(decide: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> (Backref, Fake, Holdings) {
    let holdings = Holdings::default();
    let held = holdings.clone();
    let fake = Fake::start(move |visit| decide(&held, visit));
    (Backref::of(&fake.url()).config(CONFIG).without_tags().start(), fake, holdings)
}

#[test]
fn subject_must_exist_refuses_a_manifest_whose_subject_is_absent() {
    let (backref, fake, _) = up(Holdings::serve);
    let subject = sha256(&plain("subject"));
    let refers = json!({
        "mediaType": INDEX, "manifests": [], "refers": {"mediaType": INDEX, "digest": subject, "size": 2},
    });
    let manifests = [referrer(&subject, "a"), refers.to_string().into_bytes()];
    for manifest in &manifests {
        for reference in ["v1", &sha256(manifest)] {
            let answer = push_as(backref.host(), reference, manifest);
            assert_eq!((answer.status, error_code(&answer.body).as_str()), (400, "MANIFEST_INVALID"));
            assert!(answer.text().contains(&format!("{subject} is not in app")), "{answer:?}");
        }
    }
    assert_eq!(fake.count("PUT"), 0);
    push(backref.host(), &plain("subject"));
    for manifest in &manifests {
        push(backref.host(), manifest);
    }
    assert_eq!(delete(backref.host(), &subject).status, 202);
    assert_eq!(push_as(backref.host(), "v1", &manifests[0]).status, 400, "asked each time");
    assert_eq!(listed(&backref, &subject), [sha256(&manifests[0])], "what was recorded stays");
}

#[test]
fn subject_must_exist_passes_on_the_registrys_refusal_of_the_lookup() {
    for (status, expected, code) in [
        ("401 Unauthorized", 401, "UNAUTHORIZED"),
        ("403 Forbidden", 403, "DENIED"),
        ("429 Too Many Requests", 429, "TOOMANYREQUESTS"),
        ("503 Service Unavailable", 503, "UNAVAILABLE"),
        ("500 Internal Server Error", 502, "UNAVAILABLE"),
    ] {
        let (backref, fake, holdings) = up(move |holdings, visit| {
            if visit.is("HEAD") && visit.head.target().contains("/manifests/") {
                visit.answer(status, &["WWW-Authenticate: Basic realm=\"r\"", "Retry-After: 7"], "");
            } else {
                holdings.serve(visit);
            }
        });
        holdings.hold("app", INDEX, &plain("subject"));
        let answer = push_as(backref.host(), "v1", &referrer(&sha256(&plain("subject")), "a"));
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (expected, code), "{status}");
        assert_eq!(fake.count("PUT"), 0);
        if expected == 401 {
            assert_eq!(answer.header("WWW-Authenticate"), "Basic realm=\"r\"");
        }
    }
}

#[test]
fn subject_must_exist_asks_with_the_callers_own_credentials() {
    let (backref, fake, holdings) = up(Holdings::serve);
    holdings.hold("app", INDEX, &plain("subject"));
    let subject = sha256(&plain("subject"));
    let url = format!("{}{}", backref.url(), path("v1"));
    let headers = [("Content-Type", INDEX), ("Authorization", "Basic YTph")];
    assert_eq!(crate::support::http::send("PUT", &url, &headers, &referrer(&subject, "a")).status, 201);
    let asked = &fake.seen()[0].head;
    assert_eq!(asked.line, format!("HEAD {} HTTP/1.1", path(&subject)));
    assert_eq!(asked.values("Authorization"), ["Basic YTph"]);
}

/// `referrers.artifact_type`
#[test]
fn artifact_type_is_one_of_those_that_are_wanted() {
    let push_with = |config: &str, kind: &str| {
        let holdings = Holdings::default();
        let subject = plain("subject");
        holdings.hold("app", INDEX, &subject);
        let fake = Fake::start(move |visit| holdings.serve(visit));
        let config = format!("[referrers]\nartifact_type = \"{config}\"\n");
        let backref = Backref::of(&fake.url()).config(&config).start();
        assert_eq!(push_as(backref.host(), "v1", &plain("no referrer")).status, 201);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": INDEX, "artifactType": kind, "manifests": [],
            "subject": {"mediaType": INDEX, "digest": sha256(&subject), "size": 2},
        });
        let manifest = manifest.to_string().into_bytes();
        let answer = push_as(backref.host(), &sha256(&manifest), &manifest);
        if answer.status == 400 {
            assert_eq!(error_code(&answer.body), "MANIFEST_INVALID");
            assert!(answer.text().contains("the artifact type"), "{answer:?}");
            assert_eq!(fake.count("PUT"), 1, "it was sent");
        }
        answer.status
    };
    for (config, kind, status) in [
        ("any", "sbom", 201),
        ("media-type", "sbom", 400),
        ("media-type", "", 400),
        ("media-type", "application/spdx+json", 201),
        ("application/vnd.a.*, application/b", "application/vnd.a.x", 201),
        ("application/vnd.a.*, application/b", "application/spdx+json", 400),
    ] {
        assert_eq!(push_with(config, kind), status, "{config}, {kind}");
    }
}
