//! That an upstream refuses artifact manifests is recorded only after a refusal that can have no other reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::stand::{IMAGE, OCI, artifact, descriptor, digest, put};
use crate::support::{Backref, Fake, Visit, sha256};

/// An upstream that refuses artifact manifests while it is told to, takes all else, and lacks one digest.
fn upstream(refusing: &Arc<AtomicBool>, lacks: String) -> Fake {
    let refusing = Arc::clone(refusing);
    Fake::start(move |visit: &mut Visit| {
        visit.body();
        let kind = visit.head.header("Content-Type").unwrap_or_default().to_owned();
        let body = json!({"errors": [{"code": "MANIFEST_INVALID", "message": "no"}]}).to_string();
        match visit.head.method() {
            "PUT" if kind == OCI && refusing.load(Ordering::SeqCst) => visit.answer("400 Bad Request", &[], body),
            "HEAD" if visit.head.target().ends_with(&lacks) => visit.answer("404 Not Found", &[], ""),
            "HEAD" => visit.answer("200 OK", &[], ""),
            _ => visit.answer("201 Created", &[], ""),
        }
    })
}

#[test]
fn rewrite_capability_can_not_be_set_by_a_pusher_on_purpose() {
    let absent = descriptor(IMAGE, b"absent");
    let plain: Value = serde_json::from_slice(&artifact(OCI, "a/b", None, "a")).expect("JSON");
    let with = |key: &str, value: Value| {
        let mut manifest = plain.clone();
        manifest[key] = value;
        manifest.to_string()
    };
    let mut with_data = descriptor("a/b", b"blob");
    with_data["data"] = "eA==".into();
    let mut no_type = descriptor("a/b", b"blob");
    no_type["mediaType"] = "blob".into();
    for (what, manifest) in [
        ("a member that the specification doesn't have", with("schemaVersion", 2.into())),
        ("a blob's own data, which carriers leave out", with("blobs", json!([with_data]))),
        ("a blob whose media type is none", with("blobs", json!([no_type]))),
        ("an artifact type that is no media type", with("artifactType", "sbom".into())),
        ("an absent subject", with("subject", absent.clone())),
        ("an absent blob", with("blobs", json!([absent]).to_string().replace(IMAGE, "a/b").parse().expect("JSON"))),
        ("more bytes than it needs", format!("{}{}", plain, " ".repeat(1000))),
    ] {
        let refusing = Arc::new(AtomicBool::new(true));
        let fake = upstream(&refusing, digest(&absent).to_owned());
        let backref = Backref::of(&fake.url()).start();
        let answer = put(&backref.url(), &sha256(manifest.as_bytes()), OCI, manifest.as_bytes());
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
        refusing.store(false, Ordering::SeqCst);
        let other = artifact(OCI, "a/b", None, "other");
        assert_eq!(put(&backref.url(), &sha256(&other), OCI, &other).status, 201);
        let seen = fake.seen();
        let puts: Vec<_> = seen.iter().filter(|seen| seen.head.method() == "PUT").collect();
        let last = puts.last().and_then(|put| put.head.header("Content-Type"));
        assert_eq!(last, Some(OCI), "{what}: backref recorded that the upstream refuses them all");
    }
}

#[test]
fn rewrite_capability_survives_a_restart_and_expires() {
    for (remember, tried) in [("24h", 1), ("1ms", 2)] {
        let refusing = Arc::new(AtomicBool::new(true));
        let fake = upstream(&refusing, "absent".to_owned());
        let mut backref = Backref::of(&fake.url()).config(&format!("[rewrite]\nremember = \"{remember}\"\n")).start();
        for name in ["a", "b"] {
            let manifest = artifact(OCI, "a/b", None, name);
            assert_eq!(put(&backref.url(), &sha256(&manifest), OCI, &manifest).status, 201);
            backref.terminate();
            backref.start();
        }
        let seen = fake.seen();
        let as_it_is = seen.iter().filter(|seen| seen.head.header("Content-Type").is_some_and(|kind| kind == OCI));
        assert_eq!(as_it_is.count(), tried, "{remember}");
    }
}
