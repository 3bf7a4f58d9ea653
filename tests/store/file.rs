//! A SQLite file in use: by one process after another, by several, and while it is taken away.

use std::{fs, path::Path, sync::Barrier, thread, time::Duration};

use backref::store::{OpenError, OpenFor, SqliteStore, Store, StoreError};

use crate::{block_on, folder, open, relations, reopen, sqlite3, world};

#[test]
fn store_what_was_committed_outlives_the_process_that_wrote_it() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(relations::store_a_held_relation_is_listed(store.clone()));
    drop(store);
    let listed = block_on(world::listed(&*reopen(&path), &world::subject()));
    assert_eq!(listed, [world::key("a").digest]);
}

#[test]
fn store_an_attempt_of_an_earlier_process_is_an_orphan_at_once() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let attempt = world::attempt("a", world::LONG);
    let store = open(&path).expect("a new store");
    block_on(async { store.begin(&attempt).await.expect("room") });
    assert!(block_on(store.orphans(&[world::subject()], 9)).expect("readable").is_empty());
    drop(store);
    let orphans = block_on(reopen(&path).orphans(&[world::subject()], 9)).expect("readable");
    assert_eq!(
        orphans.iter().map(|orphan| (orphan.digest.clone(), orphan.expired)).collect::<Vec<_>>(),
        [(attempt.key.digest, false)]
    );
}

#[test]
fn store_one_serve_a_file() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let first = open(&path).expect("a new store");
    assert!(matches!(open(&path), Err(OpenError::InUse(_))));
    assert!(SqliteStore::open(&path, OpenFor::Command, 1).is_ok(), "commands work beside it");
    drop(first);
    reopen(&path);
}

/// What must hold of a store one of whose files is not there any more.
fn assert_takes_no_writes(store: &dyn Store, file: &str, what: &str) {
    for _ in 0..2 {
        let error = block_on(store.check("up")).expect_err("a refusal");
        let StoreError::Unusable(reason) = &error else { panic!("{error:?}") };
        assert!(reason.contains(file) && reason.contains(what) && reason.contains("restart backref"), "{reason}");
    }
    let listed = block_on(world::listed(store, &world::subject()));
    assert_eq!(listed, [world::key("a").digest], "what was read before is read still");
}

#[test]
fn store_a_file_that_is_moved_away_takes_no_more_writes() {
    for ending in ["", "-wal", "-shm"] {
        let folder = folder();
        let path = folder.path().join("backref.db");
        let store = open(&path).expect("a new store");
        block_on(world::hold(&*store, "a"));
        let file = folder.path().join(format!("backref.db{ending}"));
        let away = folder.path().join("away");
        fs::rename(&file, &away).expect("renamed");
        assert_takes_no_writes(&*store, &format!("backref.db{ending} was "), "was deleted or moved away");
        fs::rename(&away, &file).expect("renamed");
        block_on(store.check("up")).expect("writable again");
    }
}

#[test]
fn store_a_file_that_is_deleted_or_replaced_takes_no_more_writes() {
    for ending in ["", "-wal", "-shm"] {
        for replaced in [false, true] {
            let folder = folder();
            let path = folder.path().join("backref.db");
            let store = open(&path).expect("a new store");
            block_on(world::hold(&*store, "a"));
            let file = folder.path().join(format!("backref.db{ending}"));
            let other = folder.path().join("other");
            fs::copy(&file, &other).expect("copied");
            fs::remove_file(&file).expect("deleted");
            let mut what = "was deleted or moved away";
            if replaced {
                fs::rename(&other, &file).expect("renamed");
                what = "was replaced by another file";
            }
            assert_takes_no_writes(&*store, &format!("backref.db{ending} was "), what);
        }
    }
}

#[test]
fn store_what_was_committed_before_the_log_was_deleted_is_there_after_a_restart() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(world::hold(&*store, "a"));
    fs::remove_file(folder.path().join("backref.db-wal")).expect("deleted");
    block_on(store.check("up")).expect_err("a refusal");
    drop(store);
    let store = reopen(&path);
    assert_eq!(block_on(world::listed(&*store, &world::subject())), [world::key("a").digest]);
    block_on(store.check("up")).expect("writable");
}

/// Whether each of `threads` threads can read, all at once.
fn readable(store: &dyn Store, threads: usize) -> Vec<bool> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let read = || {
            // Not before all have a connection: none is given back while its thread runs.
            let read = block_on(store.pending("up")).is_ok();
            barrier.wait();
            read
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        all.into_iter().map(|thread| thread.join().expect("a result")).collect()
    })
}

#[test]
fn store_threads_read_by_the_connections_that_were_opened_first() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = SqliteStore::open(&path, OpenFor::Command, 3).expect("a new store");
    fs::remove_file(&path).expect("deleted");
    assert_eq!(readable(&store, 3), [true; 3]);
    drop(store);

    let store = SqliteStore::open(&path, OpenFor::Command, 3).expect("a new store");
    assert_eq!(readable(&store, 5), [true; 5], "more are opened for those that come later");
    drop(store);

    let store = SqliteStore::open(&path, OpenFor::Command, 3).expect("the same store");
    fs::remove_file(&path).expect("deleted");
    let read = readable(&store, 4);
    assert_eq!(read.iter().filter(|&&one| one).count(), 3, "none reads another file, or makes one: {read:?}");
    assert!(!path.exists());
}

#[test]
fn store_a_write_of_another_process_is_waited_for_and_then_called_contention() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    let other = rusqlite::Connection::open(&path).expect("the same file");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let error = block_on(store.check("up")).expect_err("a refusal");
    assert!(matches!(error, StoreError::Contended), "{error:?}");
    other.execute_batch("COMMIT").expect("it wrote nothing");
    block_on(store.check("up")).expect("writable");
}

#[test]
fn store_capabilities_that_are_over_are_removed_by_later_writes() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    let kept = |path: &Path| sqlite3(path, "SELECT what FROM capability ORDER BY what");
    let learn = |what: &str, keep| {
        block_on(store.learn("up", &world::repository(), what, keep)).expect("writable");
    };
    for what in ["a", "b", "c"] {
        learn(what, Duration::from_millis(1));
    }
    while !block_on(store.capabilities("up", None)).expect("readable").is_empty() {
        thread::yield_now(); // until they are over
    }
    learn("d", world::LONG);
    assert_eq!(kept(&path), "d\n");
}

#[test]
fn store_pushes_that_wait_together_are_all_recorded() {
    let folder = folder();
    let store = open(&folder.path().join("backref.db")).expect("a new store");
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..500 {
            let store = store.clone();
            tasks.spawn(async move { world::hold(&*store, &format!("n{number}")).await });
        }
        tasks.join_all().await;
        let listed = world::listed(&*store, &world::subject()).await;
        assert_eq!(listed.len(), 500);
    });
}
