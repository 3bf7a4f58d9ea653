//! Registries that refuse artifact manifests each in its own way, and those that refuse something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::stand::{IMAGE, OCI, ORAS, artifact, descriptor, get, put, relay};
use crate::support::{Backref, Fake, Kind, Visit, http, sha256};

/// An upstream that answers an artifact manifest with `status` and `code`, and takes anything else.
fn refusing(status: &'static str, code: &'static str, carriers_too: bool) -> Fake {
    Fake::start(move |visit: &mut Visit| {
        visit.body();
        let kind = visit.head.header("content-type").unwrap_or_default().to_owned();
        let manifest = visit.head.target().contains("/manifests/");
        let body = json!({"errors": [{"code": code, "message": "no"}]}).to_string();
        match visit.head.method() {
            "PUT" if manifest && (kind == OCI || carriers_too) => visit.answer(status, &["X-Said: it"], body),
            "HEAD" => visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""),
            _ => visit.answer("201 Created", &[], ""),
        }
    })
}

fn manifest() -> Vec<u8> {
    artifact(OCI, "a/b", Some(&descriptor(IMAGE, b"subject")), "a")
}

fn puts(fake: &Fake) -> Vec<String> {
    let seen = fake.seen();
    let puts = seen.iter().filter(|seen| seen.head.method() == "PUT");
    puts.map(|seen| seen.head.header("content-type").unwrap_or_default().to_owned()).collect()
}

#[test]
fn rewrite_recognizes_each_way_to_refuse_and_caches_the_capability() {
    for (status, code) in [
        ("400 Bad Request", "MANIFEST_INVALID"),
        ("405 Method Not Allowed", "UNSUPPORTED"),
        ("415 Unsupported Media Type", ""),
        ("404 Not Found", "MANIFEST_UNKNOWN"),
        ("404 Not Found", ""),
        ("400 Bad Request", "UNSUPPORTED"),
        // Gitea.
        ("501 Not Implemented", "UNSUPPORTED"),
    ] {
        let fake = refusing(status, code, false);
        let backref = Backref::of(&fake.url()).without_tags().start();
        let push = |name: &str| {
            let manifest = artifact(OCI, "a/b", Some(&descriptor(IMAGE, b"subject")), name);
            let answer = put(&backref.url(), &sha256(&manifest), OCI, &manifest);
            assert_eq!(answer.status, 201, "{status}: {}", answer.text());
        };
        push("first");
        assert_eq!(puts(&fake), [OCI, IMAGE], "{status}");
        push("second");
        assert_eq!(puts(&fake), [OCI, IMAGE, IMAGE], "{status}: not tried again");
        let asked = fake.seen().len();
        push("third");
        assert_eq!(fake.seen().len() - asked, 3, "two more than the push itself: config and layer are there");
    }
}

#[test]
fn rewrite_passes_on_a_refusal_for_another_reason() {
    for (status, code) in [
        ("400 Bad Request", "DIGEST_INVALID"),
        ("400 Bad Request", "MANIFEST_BLOB_UNKNOWN"),
        ("403 Forbidden", "DENIED"),
        ("404 Not Found", "NAME_UNKNOWN"),
        ("429 Too Many Requests", "TOOMANYREQUESTS"),
        ("409 Conflict", "TAG_INVALID"),
    ] {
        let fake = refusing(status, code, false);
        let backref = Backref::of(&fake.url()).start();
        let answer = put(&backref.url(), &sha256(&manifest()), OCI, &manifest());
        assert!(status.starts_with(&answer.status.to_string()) && answer.text().contains(code), "{}", answer.text());
        assert_eq!(answer.headers["x-said"], "it");
        assert_eq!(puts(&fake), [OCI]);
    }
}

#[test]
fn rewrite_capability_is_not_cached_where_the_carrier_is_refused_too() {
    let fake = refusing("400 Bad Request", "MANIFEST_INVALID", true);
    let backref = Backref::of(&fake.url()).start();
    for pushes in 1..3 {
        let answer = put(&backref.url(), &sha256(&manifest()), OCI, &manifest());
        assert_eq!((answer.status, answer.headers["x-said"].as_bytes()), (400, &b"it"[..]));
        assert_eq!(puts(&fake), [OCI, IMAGE].repeat(pushes), "tried as it is each time");
    }
}

/// What is refused for good leaves nothing open: doctor would name it for ever.
#[test]
fn rewrite_refusal_with_501_is_the_last_word() {
    let fake = refusing("501 Not Implemented", "UNSUPPORTED", true);
    let backref = Backref::of(&fake.url()).start();
    assert_eq!(put(&backref.url(), &sha256(&manifest()), OCI, &manifest()).status, 501);
    let metrics = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
    assert!(metrics.contains("\nbackref_unresolved_writes 0\n"), "{metrics}");
}

#[test]
fn rewrite_passes_on_the_refusal_of_a_carrier_for_another_reason() {
    for (status, code) in [
        // GitLab, of a subject that isn't there.
        ("400 Bad Request", "MANIFEST_BLOB_UNKNOWN"),
        ("403 Forbidden", "DENIED"),
        ("413 Payload Too Large", "SIZE_INVALID"),
        ("429 Too Many Requests", "TOOMANYREQUESTS"),
        ("503 Service Unavailable", "UNAVAILABLE"),
    ] {
        for uploads in [false, true] {
            let fake = Fake::start(move |visit: &mut Visit| {
                visit.body();
                let kind = visit.head.header("content-type").unwrap_or_default().to_owned();
                let said = |code: &str| json!({"errors": [{"code": code, "message": "no"}]}).to_string();
                match visit.head.method() {
                    "PUT" if kind == OCI => visit.answer("400 Bad Request", &[], said("MANIFEST_INVALID")),
                    "HEAD" if uploads => visit.answer("404 Not Found", &[], ""),
                    "HEAD" => visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""),
                    _ => visit.answer(status, &["X-Said: it"], said(code)),
                }
            });
            let backref = Backref::of(&fake.url()).start();
            let answer = put(&backref.url(), &sha256(&manifest()), OCI, &manifest());
            assert!(status.starts_with(&answer.status.to_string()) && answer.text().contains(code), "{answer:?}");
            assert_eq!(answer.header("x-said"), "it");
        }
    }
}

#[test]
fn rewrite_uploads_blobs_to_the_upstream_alone() {
    let elsewhere = Fake::start(|visit: &mut Visit| visit.answer("201 Created", &[], ""));
    let location = format!("Location: {}/upload?state=1", elsewhere.url());
    let fake = Fake::start(move |visit: &mut Visit| {
        visit.body();
        match visit.head.method() {
            "POST" => visit.answer("202 Accepted", &[&location], ""),
            _ => visit.answer("404 Not Found", &[], ""),
        }
    });
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    let headers = [("Content-Type", OCI), ("Authorization", "Basic c2VjcmV0OnNlY3JldA==")];
    let url = crate::stand::manifest_url(&backref.url(), &sha256(&manifest()));
    let answer = crate::support::http::send("PUT", &url, &headers, &manifest());
    assert_eq!((answer.status, answer.text().contains("another address")), (502, true), "{answer:?}");
    assert_eq!(elsewhere.seen().len(), 0);
}

/// GitLab: a list of config types, no artifact types, and subjects that are there.
#[test]
fn rewrite_uses_the_configured_config_type_where_the_registry_knows_few() {
    const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    let fake = || {
        Fake::start(|visit: &mut Visit| {
            let body: serde_json::Value = serde_json::from_slice(&visit.body().unwrap_or_default()).unwrap_or_default();
            let said = json!({"errors": [{"code": "MANIFEST_INVALID", "message": "unknown media type"}]}).to_string();
            let known = body["config"]["mediaType"] == CONFIG && body.get("artifactType").is_none();
            match visit.head.method() {
                "PUT" if visit.head.target().contains("/manifests/") && !known => {
                    visit.answer("400 Bad Request", &[], said);
                }
                "HEAD" => visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""),
                _ => visit.answer("201 Created", &[], ""),
            }
        })
    };
    let without = fake();
    let backref = Backref::of(&without.url()).start();
    assert_eq!(put(&backref.url(), &sha256(&manifest()), OCI, &manifest()).status, 400);
    assert_eq!(puts(&without), [OCI, IMAGE]);

    let with = fake();
    let backref = Backref::of(&with.url())
        .config(&format!("[rewrite]\nconfig_type = \"{CONFIG}\"\n[referrers]\ntag = \"off\"\n"))
        .start();
    assert_eq!(put(&backref.url(), &sha256(&manifest()), OCI, &manifest()).status, 201);
    for list in ["referrers/", "_oci/artifacts/referrers?digest="] {
        let url = format!("{}/v2/app/{list}{}?artifactType=a/b", backref.url(), sha256(b"subject"));
        let url = if list.contains('?') { url.replace("?artifactType", "&artifactType") } else { url };
        let listed = crate::support::http::get(&url, &[]).json();
        assert_eq!(listed["manifests"][0]["artifactType"], "a/b", "{listed}");
    }
}

#[test]
fn rewrite_leaves_manifests_alone_where_the_registry_takes_artifact_manifests() {
    let fake = refusing("500 Internal Server Error", "", false);
    drop(fake);
    let taken = Fake::start(|visit: &mut Visit| visit.answer("201 Created", &[], ""));
    let backref = Backref::of(&taken.url()).start();
    let answer = put(&backref.url(), &sha256(&manifest()), OCI, &manifest());
    assert_eq!(
        (answer.status, answer.headers["docker-content-digest"].to_str().expect("text")),
        (201, &*sha256(&manifest()))
    );
    assert_eq!(puts(&taken), [OCI]);
}

/// go-containerregistry's registry takes them, and today's oras fails on a list that names one.
#[test]
fn rewrite_carries_what_todays_clients_cannot_read_whatever_the_registry_takes() {
    let taken = Fake::start(|visit: &mut Visit| visit.answer("201 Created", &[], ""));
    let backref = Backref::of(&taken.url()).start();
    let oras = artifact(ORAS, "a/b", Some(&descriptor(IMAGE, b"subject")), "an artifact of 2022");
    let answer = put(&backref.url(), &sha256(&oras), ORAS, &oras);
    assert_eq!((answer.status, answer.header("Docker-Content-Digest")), (201, sha256(&oras).as_str()));
    let manifests: Vec<String> = puts(&taken).into_iter().filter(|kind| kind.contains("manifest")).collect();
    assert_eq!(manifests, [IMAGE]);
}

#[test]
fn rewrite_mode_never_and_always_are_obeyed() {
    let stand = crate::stand::up(Kind::Distribution2, "[rewrite]\nmode = \"never\"\n");
    assert_eq!(put(&stand.url(), &sha256(&manifest()), OCI, &manifest()).status, 400);
    let fake = refusing("400 Bad Request", "MANIFEST_INVALID", false);
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    assert_eq!(put(&backref.url(), &sha256(&manifest()), OCI, &manifest()).status, 201);
    assert_eq!(puts(&fake), [IMAGE]);
}

#[test]
fn rewrite_mode_never_leaves_earlier_originals_where_they_were() {
    let mut stand = crate::stand::up(Kind::Distribution2, "");
    let original = artifact(OCI, "a/sbom", Some(&stand.subject), "sbom");
    let digest = stand.push(OCI, &original);
    let carrier = stand.only_carrier(crate::stand::digest(&stand.subject));
    assert_eq!(put(&stand.url(), "v1", OCI, &original).status, 201);
    stand.backref.terminate();
    std::fs::write(stand.backref.directory().join("backref.toml"), "[rewrite]\nmode = \"never\"\n").expect("written");
    stand.backref.start();
    for reference in [digest.as_str(), "v1"] {
        let answer = get(&stand.url(), reference, &[OCI]);
        assert_eq!((answer.status, &answer.body), (200, &original), "{reference}");
    }
    let answer = http::send("DELETE", &crate::stand::manifest_url(&stand.url(), &digest), &[], b"");
    assert_eq!(answer.status, 202);
    assert_eq!(get(&stand.registry.url(), &carrier, &[IMAGE]).status, 404);
}

#[test]
fn rewrite_original_comes_from_the_database_where_the_registry_redirects_blob_reads() {
    let redirects = Arc::new(AtomicBool::new(false));
    let redirecting = Arc::clone(&redirects);
    let registry = crate::support::Registry::of(Kind::Distribution2).start();
    let upstream = registry.url();
    let fake = Fake::start(move |visit: &mut Visit| {
        let is_read = matches!(visit.head.method(), "GET" | "HEAD") && visit.head.target().contains("/blobs/sha256:");
        if is_read && redirecting.load(Ordering::SeqCst) {
            visit.answer("307 Temporary Redirect", &["Location: http://storage.invalid/x"], "");
            return;
        }
        let (answer, lines) = relay(visit, &upstream);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        visit.answer(&format!("{} Said", answer.status), &lines, &answer.body);
    });
    let backref = Backref::of(&fake.url()).start();
    let manifest = artifact(OCI, "a/b", None, "a");
    let digest = sha256(&manifest);
    assert_eq!(put(&backref.url(), &digest, OCI, &manifest).status, 201);
    redirects.store(true, Ordering::SeqCst);
    let got = crate::stand::get(&backref.url(), &digest, &[OCI]);
    assert_eq!((got.status, &got.body), (200, &manifest));
    assert_eq!(put(&backref.url(), &digest, OCI, &manifest).status, 201, "a redirect says that the blob is there");
}
