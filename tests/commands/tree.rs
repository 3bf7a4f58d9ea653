//! `tree`: whoever has a referrers API or none, the same tree.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::run::finish;
use crate::stand::{INDEX, list, plain, referrer};
use crate::support::{Fake, Holdings, sha256, sha512};

/// What `tree` says of a subject in JSON.
fn tree(fake: &Fake, digest: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
    command.args(["tree", "--json", &format!("{}/app@{digest}", fake.host())]);
    // Whoever runs the tests has credentials of their own.
    let ran = finish(command.env("DOCKER_CONFIG", Path::new("/nonexistent")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("JSON")
}

fn digests(tree: &Value) -> Vec<&str> {
    let referrers = tree["referrers"].as_array().expect("a list");
    referrers.iter().map(|one| one["digest"].as_str().expect("a digest")).collect()
}

/// A registry whose referrers API answers so, with a subject that is held under this digest and one referrer in its tag.
fn registry(digest: &str, tag: &str, api: (&'static str, &'static str)) -> (Fake, String) {
    let holdings = Holdings::default();
    holdings.hold_at(&format!("/v2/app/manifests/{digest}"), INDEX, &plain("subject"));
    let manifest = referrer(digest, "a");
    holdings.hold("app", INDEX, &manifest);
    holdings.hold_at(&format!("/v2/app/manifests/{tag}"), INDEX, &list(&[&manifest]));
    let fake = Fake::start(move |visit| {
        if visit.head.target().contains("/referrers/") {
            let (status, kind) = api;
            visit.answer(status, &[&format!("Content-Type: {kind}"), "Location: /login"], "<html>no</html>");
        } else {
            holdings.serve(visit);
        }
    });
    (fake, sha256(&manifest))
}

#[test]
fn tree_reads_the_referrers_tag_of_a_sha512_subject() {
    let digest = sha512(&plain("subject"));
    // distribution-spec 1.1, "Referrers Tag Schema": the encoded part is cut to 64 characters.
    let tag = digest.replace(':', "-")[.."sha512-".len() + 64].to_owned();
    let (fake, referrer) = registry(&digest, &tag, ("404 Not Found", "application/json"));
    assert_eq!(digests(&tree(&fake, &digest)), [referrer]);
}

#[test]
fn tree_says_what_a_registry_says_as_it_says_it() {
    let fake = Fake::start(|visit| {
        let body = r#"{"errors":[{"code":"DENIED","message":"ask „ops“ \u001b[31m"}]}"#;
        visit.answer("403 Forbidden", &["Content-Type: application/json"], body);
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
    command.args(["tree", &format!("http://{}/app:v1", fake.host())]);
    let ran = finish(command.env("DOCKER_CONFIG", Path::new("/nonexistent")));
    assert!(ran.code == Some(1) && ran.stderr.starts_with("backref: the registry answered 403 Forbidden"), "{ran:?}");
}

#[test]
fn tree_reads_the_referrers_tag_where_there_is_no_api() {
    for api in [
        ("303 See Other", "text/html"),
        ("307 Temporary Redirect", "text/html"),
        ("400 Bad Request", "application/json"),
        ("404 Not Found", "text/plain"),
        ("405 Method Not Allowed", "text/plain"),
        ("406 Not Acceptable", "text/plain"),
        ("501 Not Implemented", "text/plain"),
        ("200 OK", "text/html; charset=utf-8"),
        ("200 OK", "application/json"),
    ] {
        let digest = sha256(&plain("subject"));
        let (fake, referrer) = registry(&digest, &digest.replace(':', "-"), api);
        assert_eq!(digests(&tree(&fake, &digest)), [referrer], "{api:?}");
    }
}
