//! The database file is deleted, moved or replaced under a running backref: backref stops recording, reports that, and
//! serves everything else.

use std::fs;
use std::thread;

use crate::manifests::{INDEX, REPOSITORY, delete, digest_tag, path, plain, push, push_as};
use crate::stand::Stand;
use crate::support::http;
use crate::support::{Backref, Holdings, Kind, Registry, sha256, until};
use crate::wire::error_code;

fn up() -> Stand {
    Stand::with(Holdings::serve, |backref| backref.without_tags().on_sqlite().config("workers = 4\n"))
}

/// What must hold while the store can't be written.
fn assert_only_recording_stops(stand: &Stand, before: &[String]) {
    let (puts, deletes, host) = (stand.fake.count("PUT"), stand.fake.count("DELETE"), stand.backref.host());
    let (by_subject, by_tag) = (stand.referrer("refused"), plain("refused"));
    for (reference, manifest) in
        [("v1", &by_subject), (&sha256(&by_subject), &by_subject), (&digest_tag(&stand.subject, &by_tag), &by_tag)]
    {
        let answer = push_as(host, reference, manifest);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
        let wait: u32 = answer.header("Retry-After").parse().expect("how many seconds to wait");
        assert!(wait > 0);
    }
    assert_eq!(stand.fake.count("PUT"), puts, "the upstream was asked to take what can't be recorded");

    // A referrer that were deleted now would stay listed.
    let answer = delete(host, &before[0]);
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
    assert_eq!(stand.fake.count("DELETE"), deletes);

    // Without a subject nothing is recorded.
    assert_eq!(push_as(host, "v2", &plain("plain")).status, 201);
    let get = |path: &str| http::get(&format!("{}{path}", stand.backref.url()), &[]).status;
    assert_eq!(get(&path("v2")), 200);
    assert_eq!(delete(host, &sha256(&plain("plain"))).status, 202);
    let tag = digest_tag(&stand.subject, &plain("plain"));
    assert_eq!(delete(host, &tag).status, 404, "a tag that nobody is known by is the upstream's to delete");
    assert_eq!((get(&path("v2")), get("/v2/app/blobs/x"), get(&path(&stand.subject))), (404, 200, 200));

    // On every thread, also those that read for the first time.
    let url = format!("{}/v2/{REPOSITORY}/referrers/{}", stand.backref.url(), stand.subject);
    let asking: Vec<_> = (0..32).map(|_| url.clone()).map(|url| thread::spawn(move || http::get(&url, &[]))).collect();
    let answers: Vec<_> = asking.into_iter().map(|thread| thread.join().expect("an answer")).collect();
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let digests: Vec<_> =
            answer.json()["manifests"].as_array().into_iter().flatten().map(|one| one["digest"].clone()).collect();
        assert_eq!(digests, before);
    }
}

fn readiness(stand: &Stand) -> (u16, String) {
    let answer = http::get(&format!("{}/readyz", stand.backref.admin_url()), &[]);
    (answer.status, answer.text())
}

fn assert_not_ready(stand: &Stand) {
    // An answer of /readyz is cached for a second.
    let text = until("backref to say that it is not ready", || {
        let (status, text) = readiness(stand);
        (status == 503).then_some(text)
    });
    let file = stand.backref.database().display().to_string();
    assert!(text.contains(&file), "it names the file: {text}");
    assert!(text.contains("upstream: ready"), "and what is in order: {text}");
    assert_eq!(http::get(&format!("{}/livez", stand.backref.admin_url()), &[]).status, 200);
}

#[test]
fn store_file_deleted_stops_recording_alone() {
    let mut stand = up();
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    assert_eq!(readiness(&stand).0, 200);
    fs::remove_file(stand.backref.database()).expect("the file is there");
    assert_only_recording_stops(&stand, &[digest]);
    assert_not_ready(&stand);
    // A restart begins a new file, and all goes on.
    stand.backref.terminate();
    stand.backref.start();
    let digest = push(stand.backref.host(), &stand.referrer("b"));
    assert_eq!(stand.listed(), [digest]);
}

#[test]
fn store_file_deleted_with_its_log_stops_recording_alone() {
    let stand = up();
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    let file = stand.backref.database();
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{ending}", file.display())).expect("SQLite's files, in use");
    }
    assert_only_recording_stops(&stand, &[digest]);
    assert_not_ready(&stand);
}

#[test]
fn store_file_moved_away_stops_recording_alone() {
    let mut stand = up();
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    let (file, elsewhere) = (stand.backref.database(), stand.backref.directory().join("elsewhere.db"));
    fs::rename(&file, &elsewhere).expect("one file system");
    assert_only_recording_stops(&stand, std::slice::from_ref(&digest));
    assert_not_ready(&stand);
    stand.backref.kill();
    fs::rename(&elsewhere, &file).expect("one file system");
    stand.backref.start();
    assert_eq!(stand.listed(), [digest]);
}

#[test]
fn store_file_replaced_by_another_stops_recording_alone() {
    let stand = up();
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    // By a good file of another backref, with other rows for the same subject.
    let mut other = Backref::of(&stand.fake.url()).on_sqlite().start();
    push(other.host(), &stand.referrer("other"));
    other.terminate();
    fs::rename(other.database(), stand.backref.database()).expect("one file system");
    assert_only_recording_stops(&stand, &[digest]);
    assert_not_ready(&stand);
}

#[test]
fn store_file_deleted_leaves_blobs_and_pulls_of_a_real_registry_working() {
    let registry = Registry::of(Kind::Distribution2).start();
    let backref = Backref::of(&registry.url()).on_sqlite().start();
    let subject = push(backref.host(), &plain("subject"));
    fs::remove_file(backref.database()).expect("the file is there");
    let upload = http::send("POST", &format!("{}/v2/app/blobs/uploads/", backref.url()), &[], b"");
    assert_eq!(upload.status, 202, "{upload:?}");
    let digest = sha256(b"blob");
    let location = format!("{}&digest={digest}", upload.header("Location"));
    assert_eq!(http::send("PUT", &location, &[], b"blob").status, 201);
    assert_eq!(http::get(&format!("{}/v2/app/blobs/{digest}", backref.url()), &[]).body, b"blob");
    let manifest = http::get(&format!("{}{}", backref.url(), path(&subject)), &[("Accept", INDEX)]);
    assert_eq!(manifest.body, plain("subject"));
}
