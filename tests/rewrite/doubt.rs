//! What goes wrong between a push and its record, and what registries do beside the specification.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::stand::{IMAGE, OCI, artifact, descriptor, digest, put};
use crate::support::{Backref, Fake, Visit, http, sha256};

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
