//! What goes wrong between a push and its record, and what registries do beside the specification.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::stand::{IMAGE, KINDS, OCI, artifact, descriptor, digest, get, header, manifest_url, put, up};
use crate::support::{Backref, Fake, Visit, http, sha256, until};

#[test]
fn pushed_by_many_at_once_it_is_one() {
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
fn pushed_and_deleted_by_many_at_once_it_is_there_or_not() {
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
                    // distribution 2.8 says 400 and 500 of a manifest that another is just writing or deleting.
                    assert!(matches!(answer.status, 201 | 202 | 404 | 400 | 503), "{answer:?}");
                }
            });
        }
    });
    let there = usize::from(get(&stand.url(), &sha256(&manifest), &[OCI]).status == 200);
    until("what was in doubt to be settled", || (stand.originals(digest(&stand.subject)).len() == there).then_some(()));
    assert_eq!(stand.carriers(digest(&stand.subject)).len(), there);
}

#[test]
fn what_was_in_doubt_and_then_carried_is_never_asked_for_as_a_manifest() {
    let tries = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start(move |visit: &mut Visit| {
        visit.body();
        let body = json!({"errors": [{"code": "MANIFEST_INVALID", "message": "no"}]}).to_string();
        let artifact = visit.head.header("Content-Type").is_some_and(|kind| kind == OCI);
        match visit.head.method() {
            "PUT" if artifact && tries.fetch_add(1, Ordering::SeqCst) == 0 => visit.answer("502 Bad Gateway", &[], ""),
            "PUT" if artifact => visit.answer("400 Bad Request", &[], body),
            "HEAD" => visit.answer("200 OK", &[], ""),
            _ => visit.answer("201 Created", &[], ""),
        }
    });
    let backref = Backref::of(&fake.url()).start();
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
fn a_part_of_a_carrier_is_not_given_for_one_of_its_original() {
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
