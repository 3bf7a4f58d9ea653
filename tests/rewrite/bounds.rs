//! What a client can make backref do by asking for digests or pushing much: all of it is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use crate::stand::{OCI, artifact, descriptor, get, put};
use crate::support::{Backref, Fake, Gate, Visit, sha256};

const PROFILE: &str = "[rewrite]\nmode = \"always\"\nconfig_type = \"application/vnd.oci.image.config.v1+json\"\n";

/// An upstream that has these blobs, and no manifests.
fn holding(blobs: BTreeMap<String, Vec<u8>>) -> Fake {
    Fake::start(move |visit: &mut Visit| {
        let digest = visit.head.target().rsplit('/').next().unwrap_or_default().to_owned();
        match blobs.get(&digest).filter(|_| visit.head.target().contains("/blobs/")) {
            Some(blob) => visit.answer("200 OK", &[], blob),
            None => visit.answer("404 Not Found", &[], ""),
        }
    })
}

#[test]
fn rewrite_lookup_of_a_chain_of_artifacts_costs_few_requests() {
    let mut blobs = BTreeMap::new();
    let mut subject = None;
    for number in 0..12 {
        let manifest = artifact(OCI, "a/b", subject.as_ref(), &number.to_string());
        subject = Some(descriptor(OCI, &manifest));
        blobs.insert(sha256(&manifest), manifest);
    }
    let last = subject.as_ref().and_then(|last| last["digest"].as_str()).expect("a digest");
    let fake = holding(blobs);
    let backref = Backref::of(&fake.url()).config(PROFILE).start();
    assert_eq!(get(&backref.url(), last, &[OCI]).status, 404);
    let asked = fake.seen().len();
    assert!((10..=32).contains(&asked), "the upstream was asked {asked} times for one digest");
}

#[test]
fn rewrite_lookup_reads_a_blob_only_with_a_reservation_for_it() {
    let large = artifact(OCI, "a/b", None, &"x".repeat((4 << 20) - 4096));
    let digest = sha256(&large);
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit: &mut Visit| match (visit.head.method(), visit.head.target()) {
        (_, target) if !target.contains("/blobs/") => visit.answer("404 Not Found", &[], ""),
        ("HEAD", _) => visit.answer("200 OK", &[], &large),
        _ => {
            held.pass();
            visit.answer("200 OK", &[], &large);
        }
    });
    let backref = Backref::of(&fake.url()).config("[limits]\nbuffered = \"8MiB\"\n").start();
    let url = backref.url();
    thread::scope(|scope| {
        let first = [(); 2].map(|()| scope.spawn(|| get(&url, &digest, &[OCI])));
        gate.wait_for(2);
        // A third would not fit: 503, and not 404 as if there were none.
        let refused = get(&url, &digest, &[OCI]);
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
        assert_eq!(get(&url, "absent", &[OCI]).status, 404, "what needs no reservation goes on");
        gate.open();
        for first in first {
            assert_eq!(first.join().expect("an answer").status, 404, "it has no carrier");
        }
    });
}

#[test]
fn rewrite_of_waiting_pushes_takes_little_more_memory_than_their_bytes() {
    const PUSHES: usize = 6;
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit: &mut Visit| {
        visit.body();
        if visit.is("HEAD") {
            held.pass();
        }
        visit.answer(if visit.is("HEAD") { "200 OK" } else { "201 Created" }, &[], "");
    });
    // One caller may have a quarter of it: the manifests, and as much for their carriers.
    let backref = Backref::of(&fake.url()).config(&format!("workers = 1\n{PROFILE}[limits]\nbuffered = \"192MiB\"\n"));
    let backref = Arc::new(backref.start());
    let pushing: Vec<_> = (0..PUSHES)
        .map(|number| {
            let backref = Arc::clone(&backref);
            thread::spawn(move || {
                let annotations: serde_json::Map<String, Value> =
                    (0..200_000).map(|at| (format!("{number}{at}"), "".into())).collect();
                let manifest = json!({"mediaType": OCI, "blobs": [], "annotations": annotations}).to_string();
                put(&backref.url(), &sha256(manifest.as_bytes()), OCI, manifest.as_bytes()).status
            })
        })
        .collect();
    gate.wait_for(2 * PUSHES);
    let peak = backref.peak_memory();
    gate.open();
    for push in pushing {
        assert_eq!(push.join().expect("an answer"), 201);
    }
    assert!(peak < 128 << 20, "{} MiB at the most", peak >> 20);
}
