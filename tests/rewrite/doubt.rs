//! Artifact pushes of unknown outcome, and registries that deviate from the specification.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::stand::{IMAGE, KINDS, OCI, Stand, artifact, descriptor, digest, get, header, manifest_url, put, relay, up};
use crate::support::{Backref, BackrefOptions, Fake, Gate, Kind, Registry, Visit, http, sha256, sha512, until};

#[test]
fn rewrite_finds_a_carrier_that_was_pushed_before_a_crash() {
    let registry = Registry::of(Kind::Distribution2).start();
    let (gate, held, upstream) = (Gate::default(), Gate::default(), registry.url());
    let (arrived, holds) = (gate.clone(), held.clone());
    let fake = Fake::start(move |visit: &mut Visit| {
        let (answer, lines) = relay(visit, &upstream);
        if visit.is("PUT") && visit.head.header("Content-Type").is_some_and(|kind| kind == IMAGE) && !holds.is_open() {
            arrived.count();
            holds.pass();
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        visit.answer(&format!("{} Said", answer.status), &lines, &answer.body);
    });
    let mut backref = Backref::of(&fake.url()).start();
    let subject = json!({"schemaVersion": 2, "mediaType": crate::stand::INDEX, "manifests": []}).to_string();
    let subject = descriptor(crate::stand::INDEX, subject.as_bytes());
    let index = json!({"schemaVersion": 2, "mediaType": crate::stand::INDEX, "manifests": []}).to_string();
    assert_eq!(put(&registry.url(), digest(&subject), crate::stand::INDEX, index.as_bytes()).status, 201);

    let manifests = [artifact(OCI, "a/b", Some(&subject), "a"), artifact(OCI, "a/b", None, "a")];
    let pushing: Vec<_> = manifests
        .iter()
        .map(|manifest| {
            let (url, manifest) = (manifest_url(&backref.url(), &sha256(manifest)), manifest.clone());
            thread::spawn(move || http::try_send("PUT", &url, &[("Content-Type", OCI)], &manifest).is_err())
        })
        .collect();
    gate.wait_for(2);
    backref.kill();
    for push in pushing {
        assert!(push.join().expect("an outcome"), "an answer that nobody can have given");
    }
    held.open();
    backref.start();
    backref.wait_for_orphans();
    let path = format!("{}/v2/app/_oci/artifacts/referrers?digest={}", backref.url(), digest(&subject));
    assert_eq!(http::get(&path, &[]).json()["referrers"][0]["digest"], sha256(&manifests[0]));
    for manifest in &manifests {
        assert_eq!(get(&backref.url(), &sha256(manifest), &[OCI]).body, *manifest);
    }
}

#[test]
fn rewrite_that_can_not_be_recorded_is_not_acknowledged_and_can_be_repeated() {
    for subject in [false, true] {
        let mut stand = crate::stand::with(Registry::of(KINDS[0]).start(), BackrefOptions::on_sqlite);
        stand.push(OCI, &artifact(OCI, "a/b", None, "first"));
        std::fs::remove_file(stand.backref.database()).expect("the file is there");
        let manifest = artifact(OCI, "a/b", Some(&stand.subject).filter(|_| subject), "a");
        let answer = put(&stand.url(), &sha256(&manifest), OCI, &manifest);
        assert_eq!((answer.status, header(&answer, "retry-after")), (503, "5"), "{answer:?}");
        stand.backref.terminate();
        stand.backref.start();
        assert_eq!(get(&stand.url(), &sha256(&manifest), &[OCI]).status, if subject { 404 } else { 200 });
        assert_eq!(stand.push(OCI, &manifest), sha256(&manifest));
        assert_eq!(get(&stand.url(), &sha256(&manifest), &[OCI]).body, manifest);
    }
}

#[test]
fn rewrite_of_one_manifest_pushed_by_many_at_once_gives_one_referrer() {
    for kind in KINDS {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
        thread::scope(|scope| {
            for number in 0..8 {
                let (stand, manifest) = (&stand, &manifest);
                scope.spawn(move || stand.push(OCI, manifest));
                // Others that need the same layer, and refer to nothing.
                scope.spawn(move || stand.push(OCI, &artifact(OCI, "a/b", None, &number.to_string())));
            }
        });
        let [listed] = &stand.originals(digest(&stand.subject))[..] else { panic!("not one") };
        assert_eq!(digest(listed), sha256(&manifest));
        assert_eq!(get(&stand.url(), &sha256(&manifest), &[OCI]).body, manifest);
    }
}

#[test]
fn rewrite_of_one_manifest_pushed_and_deleted_at_once_ends_as_the_registry_does() {
    let stand = up(KINDS[0], "");
    let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
    let url = manifest_url(&stand.url(), &stand.push(OCI, &manifest));
    thread::scope(|scope| {
        for deletes in [false, true, false, true] {
            let (stand, url, manifest) = (&stand, &url, &manifest);
            scope.spawn(move || {
                for _ in 0..10 {
                    let answer = if deletes {
                        http::send("DELETE", url, &[], b"")
                    } else {
                        put(&stand.url(), &sha256(manifest), OCI, manifest)
                    };
                    // distribution 2.8 answers 400 and 500 for a manifest that is just being written or deleted.
                    assert!(matches!(answer.status, 201 | 202 | 404 | 400 | 503), "{answer:?}");
                }
            });
        }
    });
    let there = usize::from(get(&stand.url(), &sha256(&manifest), &[OCI]).status == 200);
    until("unresolved writes to be settled", || (stand.originals(digest(&stand.subject)).len() == there).then_some(()));
    assert_eq!(stand.carriers(digest(&stand.subject)).len(), there);
}

#[test]
fn rewrite_of_a_push_by_sha512_keeps_that_digest() {
    for kind in KINDS {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
        let original = sha512(&manifest);
        let answer = put(&stand.url(), &original, OCI, &manifest);
        assert_eq!((answer.status, header(&answer, "docker-content-digest")), (201, &*original), "{answer:?}");
        let got = get(&stand.url(), &original, &[OCI]);
        assert_eq!((got.status, &got.body, header(&got, "docker-content-digest")), (200, &manifest, &*original));
        let [listed] = &stand.originals(digest(&stand.subject))[..] else { panic!("not one") };
        assert_eq!(digest(listed), original);
        assert_eq!(http::send("DELETE", &manifest_url(&stand.url(), &original), &[], b"").status, 202);
        assert_eq!(get(&stand.url(), &original, &[OCI]).status, 404, "{kind:?}");
    }
}

#[test]
fn rewrite_never_asks_for_an_original_of_unknown_outcome_as_a_manifest() {
    let tries = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start(move |visit: &mut Visit| {
        visit.body();
        let body = json!({"errors": [{"code": "MANIFEST_INVALID", "message": "no"}]}).to_string();
        let artifact = visit.head.header("Content-Type").is_some_and(|kind| kind == OCI);
        match visit.head.method() {
            "PUT" if artifact && tries.fetch_add(1, Ordering::SeqCst) == 0 => visit.answer("502 Bad Gateway", &[], ""),
            "PUT" if artifact => visit.answer("400 Bad Request", &[], body),
            "HEAD" => visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""),
            _ => visit.answer("201 Created", &[], ""),
        }
    });
    let backref = Backref::of(&fake.url()).config("[referrers]\ntag = \"off\"\n").start();
    let subject = descriptor(IMAGE, b"subject");
    let manifest = artifact(OCI, "a/b", Some(&subject), "a");
    let original = sha256(&manifest);
    assert_eq!(put(&backref.url(), &original, OCI, &manifest).status, 502);
    assert_eq!(put(&backref.url(), &original, OCI, &manifest).status, 201);
    let list = format!("{}/v2/app/referrers/{}", backref.url(), digest(&subject));
    assert_eq!(http::get(&list, &[]).status, 200);
    let asked = fake.seen().into_iter().filter(|seen| {
        matches!(seen.head.method(), "GET" | "HEAD") && seen.head.target() == format!("/v2/app/manifests/{original}")
    });
    assert_eq!(asked.count(), 0, "distribution 2.8 has the blob, and says 500");
}

#[test]
fn rewrite_passes_on_a_refusal_that_is_too_long_to_read() {
    let fake = Fake::start(|visit: &mut Visit| {
        visit.body();
        visit.answer("400 Bad Request", &["X-Said: it"], "x".repeat(100 << 10));
    });
    let backref = Backref::of(&fake.url()).start();
    let manifest = artifact(OCI, "a/b", None, "a");
    let answer = put(&backref.url(), &sha256(&manifest), OCI, &manifest);
    assert_eq!((answer.status, header(&answer, "x-said"), answer.body.len()), (400, "it", 0));
}

#[test]
fn rewrite_never_gives_a_range_of_the_carrier_for_a_range_of_the_original() {
    let carrier = Arc::new(std::sync::Mutex::new(String::new()));
    let pushed = Arc::clone(&carrier);
    let fake = Fake::start(move |visit: &mut Visit| {
        let body = visit.body().unwrap_or_default();
        let mut carrier = pushed.lock().expect("no one panicked");
        match visit.head.method() {
            "PUT" => {
                *carrier = sha256(&body);
                visit.answer("201 Created", &[], "");
            }
            "GET" => {
                let named = format!("Docker-Content-Digest: {carrier}");
                let headers = [&*named, "Content-Range: bytes 0-1/400", &format!("Content-Type: {IMAGE}")];
                visit.answer("206 Partial Content", &headers, "{\"");
            }
            _ => visit.answer("200 OK", &[], ""),
        }
    });
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    let manifest = artifact(OCI, "a/b", None, "a");
    assert_eq!(put(&backref.url(), "v1", OCI, &manifest).status, 201);
    let got = http::get(&manifest_url(&backref.url(), "v1"), &[("Accept", OCI), ("Range", "bytes=0-1")]);
    assert_eq!((got.status, &got.body, header(&got, "content-range")), (200, &manifest, ""));
    let got = http::get(&manifest_url(&backref.url(), "v1"), &[("Accept", IMAGE), ("Range", "bytes=0-1")]);
    assert_eq!((got.status, got.body.len(), header(&got, "content-range")), (206, 2, "bytes 0-1/400"));
}

#[test]
fn rewrite_sends_the_tags_of_the_query_with_the_carrier() {
    let fake = Fake::start(|visit: &mut Visit| {
        let status = if visit.is("HEAD") { "200 OK" } else { "201 Created" };
        visit.answer(status, &["OCI-Tag: a, b"], "");
    });
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    let manifest = artifact(OCI, "a/b", None, "a");
    let answer = put(&backref.url(), &format!("{}?tag=a&tag=b", sha256(&manifest)), OCI, &manifest);
    assert_eq!((answer.status, header(&answer, "oci-tag")), (201, "a, b"), "{answer:?}");
    let seen = fake.seen();
    let put = seen.iter().rfind(|seen| seen.head.method() == "PUT").expect("the carrier");
    let carrier = sha256(put.body.as_deref().expect("a body"));
    assert_eq!(put.head.target(), format!("/v2/app/manifests/{carrier}?tag=a&tag=b"));
}

/// Requests that reached the registry, once they are all in its log.
fn requests(stand: &Stand, last: &str) -> Vec<String> {
    until("the registry's log to have the last request", || {
        let requests = stand.registry.requests();
        requests.last().is_some_and(|request| request.contains(last)).then_some(requests)
    })
}

#[test]
fn rewrite_costs_at_most_two_requests_more_than_a_plain_push() {
    for kind in KINDS {
        // The referrers tag costs both the same.
        let stand = up(kind, "[referrers]\ntag = \"off\"\n");
        let content = b"a blob";
        let blob = descriptor("application/vnd.test.blob", content);
        let open = http::send("POST", &format!("{}/v2/app/blobs/uploads/", stand.url()), &[], b"");
        let place = open.header("location").to_owned();
        let octets = [("Content-Type", "application/octet-stream")];
        let put_blob = http::send("PUT", &format!("{place}&digest={}", sha256(content)), &octets, content);
        assert_eq!(put_blob.status, 201, "{}", put_blob.text());
        let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
        stand.push(OCI, &first);

        let artifact_of = |blobs: serde_json::Value, subject: &serde_json::Value| {
            json!({"mediaType": OCI, "artifactType": "a/b", "blobs": blobs, "subject": subject}).to_string()
        };
        let plain = json!({
            "schemaVersion": 2, "mediaType": crate::stand::INDEX, "manifests": [], "subject": stand.subject,
        });
        let cost = |media_type: &str, manifest: &str| {
            // Twice: of the second push, all blobs are known.
            stand.push(media_type, manifest.as_bytes());
            let marker = sha256(manifest.as_bytes());
            let mark = |name: &str| {
                let blob =
                    format!("{}/v2/app/blobs/{}", stand.registry.url(), sha256(format!("{marker}{name}").as_bytes()));
                assert_eq!(http::get(&blob, &[]).status, 404);
                requests(&stand, &sha256(format!("{marker}{name}").as_bytes())).len()
            };
            let before = mark("before");
            stand.push(media_type, manifest.as_bytes());
            mark("after") - before - 1
        };
        let plain = cost(crate::stand::INDEX, &plain.to_string());
        assert_eq!(plain, 1, "{kind:?}");
        for (subject, blobs, more) in [
            (&stand.subject, json!([]), 2),
            (&stand.subject, json!([blob, blob]), 1),
            (&descriptor(OCI, &first), json!([]), 2),
        ] {
            let rewritten = cost(OCI, &artifact_of(blobs, subject));
            assert_eq!(rewritten - plain, more, "{kind:?}");
        }
    }
}
