//! Commands beside a running `serve`, on the same database.

use std::thread;

use serde_json::json;

use crate::run::run;
use crate::stand::{INDEX, list, plain, put, referrer, up};
use crate::support::{Backref, Kind, http, sha256, until};

#[test]
fn backfill_beside_concurrent_pushes_loses_nothing() {
    let stand = up(Kind::Distribution2);
    let before: Vec<Vec<u8>> = (0..40).map(|number| stand.push_around(&format!("before {number}"))).collect();
    let names: Vec<&[u8]> = before.iter().map(Vec::as_slice).collect();
    put(&stand.registry.url(), &stand.tag(), &list(&names));
    let mut pushed = thread::scope(|scope| {
        let pushing: Vec<_> = (0..4)
            .map(|part| {
                let stand = &stand;
                scope.spawn(move || (0..10).map(|number| stand.push(&format!("{part} {number}"))).collect::<Vec<_>>())
            })
            .collect();
        for _ in 0..3 {
            let ran = run(&stand.backref, "backfill app");
            assert!(ran.code == Some(0) || ran.stdout.contains("pending"), "{ran:?}");
        }
        pushing.into_iter().flat_map(|one| one.join().expect("pushes")).collect::<Vec<_>>()
    });
    let ran = run(&stand.backref, "repair");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    pushed.extend(before.iter().map(|one| sha256(one)));
    pushed.sort();
    let (mut listed, mut tagged) = (stand.listed(), stand.tagged());
    assert_eq!(listed, tagged, "in one order");
    listed.sort();
    tagged.sort();
    assert_eq!((listed, tagged), (pushed.clone(), pushed));
    let ran = run(&stand.backref, "verify");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn backfill_finds_the_first_carrier_and_a_running_serve_notices() {
    let stand = up(Kind::Distribution2);
    let other = Backref::of(&stand.registry.url()).start();
    let artifact_type = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = json!({
        "mediaType": artifact_type, "artifactType": "application/vnd.test", "blobs": [],
        "subject": {"mediaType": INDEX, "digest": stand.subject, "size": plain("subject").len()},
    });
    let artifact = artifact.to_string().into_bytes();
    let path = |base: &str| crate::stand::url(base, &sha256(&artifact));
    let pushed = http::send("PUT", &path(&other.url()), &[("Content-Type", artifact_type)], &artifact);
    assert_eq!(pushed.status, 201, "{pushed:?}");
    drop(other);
    let pulled = plain("anything");
    put(&stand.url(), "v1", &pulled); // so that serve looks for carriers, and finds none
    http::get(&crate::stand::url(&stand.url(), &sha256(&pulled)), &[]);
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    until("serve to give the original from the database", || {
        let before = stand.registry.requests().len();
        let got = http::get(&path(&stand.url()), &[("Accept", artifact_type)]);
        assert_eq!((got.status, got.body), (200, artifact.clone()));
        // Without the original in the database, serve asks the registry for it as a blob.
        let asked = stand.registry.requests().split_off(before);
        (!asked.is_empty() && asked.iter().all(|one| !one.contains("/blobs/"))).then_some(())
    });
}

#[test]
fn backfill_and_a_running_serve_see_what_the_other_wrote() {
    let stand = up(Kind::Distribution3);
    assert_eq!(stand.listed(), [""; 0], "serve has looked, and there was nothing");
    let around = referrer(&stand.subject, "around");
    put(&stand.registry.url(), "v1", &around);
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    assert_eq!(stand.listed(), [sha256(&around)]);
    let pushed = stand.push("pushed");
    stand.flushed();
    assert_eq!(stand.tagged(), [sha256(&around), pushed.clone()]);
    assert_eq!(stand.listed(), [sha256(&around), pushed]);
}
