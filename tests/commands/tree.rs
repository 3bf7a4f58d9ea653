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

/// Three of them, with times and types; to one of them another refers.
fn dated() -> (Fake, String, [String; 4]) {
    let holdings = Holdings::default();
    let image = plain("image");
    holdings.hold("app", INDEX, &image);
    let made = |subject: &str, kind: &str, created: &str| {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": INDEX, "artifactType": kind, "manifests": [],
            "subject": {"mediaType": INDEX, "digest": subject, "size": 2},
            "annotations": {"org.opencontainers.image.created": created},
        });
        manifest.to_string().into_bytes()
    };
    let subject = sha256(&image);
    let newest = made(&subject, "a/scan", "2026-03-01T00:00:00Z");
    let oldest = made(&subject, "a/scan", "2026-01-01T00:00:00Z");
    let sbom = made(&subject, "a/sbom", "2026-02-01T00:00:00Z");
    let signature = made(&sha256(&sbom), "a/signature", "2026-02-02T00:00:00Z");
    let digests = [&newest, &oldest, &sbom, &signature].map(|manifest| sha256(manifest));
    let listed = |manifest: &[u8]| {
        let mut entry: Value = serde_json::from_slice(manifest).expect("JSON");
        entry["digest"] = sha256(manifest).into();
        entry["size"] = manifest.len().into();
        entry
    };
    let (of_image, of_sbom) = ([&newest, &oldest, &sbom].map(|one| listed(one)), [listed(&signature)]);
    let sbom = digests[2].clone();
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let Some((_, asked)) = target.split_once("/referrers/") else { return holdings.serve(visit) };
        let entries: &[Value] = if asked == sbom {
            &of_sbom
        } else if asked == sha256(&image) {
            &of_image
        } else {
            &[]
        };
        let list = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], list.to_string());
    });
    (fake, subject, digests)
}

#[test]
fn tree_shows_types_and_the_first_or_last_by_their_times() {
    let (fake, image, [newest, oldest, sbom, signature]) = dated();
    let tree = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
        command.args(["tree", &format!("{}/app@{image}", fake.host())]).args(more);
        let ran = finish(command.env("DOCKER_CONFIG", Path::new("/nonexistent")));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let shown = |more: &[&str]| {
        let said = tree(more);
        [&newest, &oldest, &sbom, &signature].map(|digest| said.contains(digest.as_str()))
    };
    assert_eq!(shown(&[]), [true; 4]);
    assert_eq!(shown(&["--last", "1"]), [true, false, false, false]);
    assert_eq!(shown(&["--first", "2"]), [false, true, true, true]);
    assert_eq!(shown(&["--artifact-type", "a/signature"]), [false, false, true, true]);
    assert_eq!(shown(&["--artifact-type", "a/scan", "--last", "1"]), [true, false, false, false]);
    assert!(tree(&[]).contains("2026-03-01 00:00:00 UTC)"), "{}", tree(&[]));
    let json: Value = serde_json::from_str(&tree(&["--json", "--first", "1"])).expect("JSON");
    assert_eq!(digests(&json), [oldest]);
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
