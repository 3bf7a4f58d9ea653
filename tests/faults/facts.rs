//! What registries and SQLite do, on which ARCHITECTURE.md's rules rest. Where a test fails, a rule no longer holds.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use rusqlite::Connection;
use serde_json::json;

use crate::support::http::{self, Answer};
use crate::support::{Kind, Registry, sha256, until};
use crate::tagged::{INDEX, KINDS, delete, list, plain, put, put_as, url};

const TAG: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000000";

fn get(registry: &Registry, reference: &str) -> Answer {
    http::get(&url(&registry.url(), reference), &[("Accept", INDEX)])
}

/// Puts a manifest there that an index may name.
fn child(registry: &Registry, name: &str) -> Vec<u8> {
    put(&registry.url(), &sha256(&plain(name)), &plain(name));
    plain(name)
}

#[test]
fn facts_a_put_that_nobody_waits_for_lands_after_a_later_one() {
    const ROUNDS: usize = 20;
    for kind in KINDS {
        let registry = Registry::of(kind).start();
        let child = child(&registry, "child");
        let small = list(&[&child]);
        let late = (0..ROUNDS).filter(|round| {
            let entry = json!({"mediaType": INDEX, "digest": sha256(&child), "size": child.len()});
            let large = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; 600 + round]}).to_string();
            let head = format!(
                "PUT /v2/app/manifests/{TAG} HTTP/1.1\r\nHost: a\r\nContent-Type: {INDEX}\r\nContent-Length: {}\r\n\r\n",
                large.len()
            );
            let mut wire = TcpStream::connect(registry.host()).expect("a registry");
            wire.write_all(&[head.as_bytes(), large.as_bytes()].concat()).expect("it reads");
            drop(wire);
            // The condition that nobody else wrote meanwhile is ignored.
            let wish = [("Content-Type", INDEX), ("If-Match", "\"sha256:1\"")];
            assert_eq!(http::send("PUT", &url(&registry.url(), TAG), &wish, &small).status, 201, "{kind:?}");
            until("both to be over", || {
                let requests = registry.requests();
                let puts = requests.iter().filter(|line| line.starts_with("PUT ") && line.contains(TAG)).count();
                (puts == 2 * (round + 1)).then_some(())
            });
            get(&registry, TAG).body == large.as_bytes()
        });
        let late = late.count();
        println!("{kind:?}: {late} of {ROUNDS} landed after a later one");
        assert!(late > 0, "{kind:?}");
    }
}

#[test]
fn facts_an_index_with_an_absent_child_is_refused_and_the_answer_names_it() {
    for kind in KINDS {
        let registry = Registry::of(kind).start();
        let (there, absent) = (child(&registry, "there"), plain("absent"));
        let answer = put_as(&registry.url(), TAG, &list(&[&there, &absent]));
        assert_eq!(answer.status, 400, "{kind:?}");
        let said = answer.text();
        assert!(said.contains("MANIFEST_BLOB_UNKNOWN") && said.contains(&sha256(&absent)), "{kind:?}: {said}");
        assert!(!said.contains(&sha256(&there)), "{kind:?}: {said}");
    }
}

#[test]
fn facts_distribution_deletes_what_a_tagged_index_lists_and_keeps_the_index() {
    for kind in KINDS {
        let registry = Registry::of(kind).start();
        let child = child(&registry, "child");
        put(&registry.url(), TAG, &list(&[&child]));
        assert_eq!(delete(&registry.url(), &sha256(&child)), 202, "{kind:?}");
        assert_eq!(get(&registry, TAG).text().as_bytes(), list(&[&child]), "{kind:?}");
    }
}

#[test]
fn facts_deleting_an_index_by_digest_removes_the_tag_that_points_at_it() {
    for kind in KINDS {
        let registry = Registry::of(kind).start();
        let [first, second] = ["first", "second"].map(|name| list(&[&child(&registry, name)]));
        for index in [&first, &second, &first] {
            put(&registry.url(), TAG, index);
        }
        // It was the old one once, and is the current one again.
        assert_eq!(delete(&registry.url(), &sha256(&first)), 202, "{kind:?}");
        assert_eq!(get(&registry, TAG).status, 404, "{kind:?}");
    }
}

/// Distribution's collector finds repositories by their blobs, and takes all of one that has none.
fn blob(registry: &Registry) {
    let upload = http::send("POST", &format!("{}/v2/app/blobs/uploads/", registry.url()), &[], b"");
    let location = format!("{}&digest={}", upload.header("Location"), sha256(b"blob"));
    assert_eq!(http::send("PUT", &location, &[], b"blob").status, 201);
}

#[test]
fn facts_garbage_collection_takes_a_tagged_indexs_children_in_distribution_2_not_in_3() {
    for (kind, left) in [(Kind::Distribution2, 404), (Kind::Distribution3, 200)] {
        let mut registry = Registry::of(kind).start();
        blob(&registry);
        let child = child(&registry, "child");
        put(&registry.url(), TAG, &list(&[&child]));
        registry.stop();
        registry.collect_garbage(&["--delete-untagged"]);
        registry.start();
        assert_eq!(get(&registry, TAG).text().as_bytes(), list(&[&child]), "{kind:?}");
        assert_eq!(get(&registry, &sha256(&child)).status, left, "{kind:?}");
    }
}

#[test]
fn facts_garbage_collection_leaves_replaced_indexes() {
    for kind in KINDS {
        let mut registry = Registry::of(kind).start();
        blob(&registry);
        let [old, new] = ["old", "new"].map(|name| list(&[&child(&registry, name)]));
        for index in [&old, &new] {
            put(&registry.url(), TAG, index);
        }
        registry.stop();
        registry.collect_garbage(&[]);
        registry.start();
        assert_eq!(get(&registry, &sha256(&old)).body, old, "{kind:?}");
    }
}

#[test]
fn facts_sqlite_commits_into_a_deleted_file_without_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.db");
    let db = Connection::open(&path).expect("a new file");
    db.pragma_update(None, "journal_mode", "WAL").expect("a mode");
    db.execute_batch("CREATE TABLE a (b)").expect("a table");
    fs::remove_file(&path).expect("it is there");
    db.execute("INSERT INTO a VALUES (1)", []).expect("no error");
    assert!(!path.exists());
}
