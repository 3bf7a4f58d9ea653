//! What every store has to do, run on each store there is.

mod suite;
mod tags;

use std::{path::Path, process::Command, sync::Arc};

use backref::store::{OpenError, OpenFor, SqliteStore, Store};
use tempfile::TempDir;

/// Runs each case of a suite on a store of its own.
macro_rules! on_sqlite {
    ($name:ident, $suite:ident: $($case:ident),+ $(,)?) => {
        mod $name {
            $(#[test]
            fn $case() {
                let folder = super::folder();
                let store = super::open(&folder.path().join("backref.db")).expect("a new store");
                super::block_on(super::$suite::$case(store));
            })+
        }
    };
}

on_sqlite! {
    sqlite, suite:
    a_held_relation_is_listed,
    lists_go_by_arrival_and_a_repeated_push_keeps_its_place,
    a_deleted_referrer_that_comes_back_goes_last,
    lists_are_filtered_and_paged,
    newest_first_goes_by_creation_and_those_without_come_last,
    a_cursor_stays_right_while_rows_come_and_go,
    repositories_and_upstreams_are_apart,
    a_verdict_on_old_knowledge_is_refused,
    a_verdict_beside_an_open_attempt_is_refused,
    a_delete_marks_what_a_push_on_its_way_will_find,
    a_missing_referrer_is_not_listed_until_seen_again,
    attempts_are_orphans_once_released_or_late,
    refers_counts_only_when_asked_for,
    what_is_on_record_is_read_in_pieces,
    a_tag_that_is_forgotten_stays_as_owed_as_it_is,
}

on_sqlite! {
    sqlite_tags, tags:
    who_a_tag_is_on_is_listed_and_who_it_left_is_not,
    one_of_two_tags_is_enough,
    a_tag_taken_off_leaves_who_says_it_itself,
    a_deleted_manifest_takes_its_tags_along,
    a_verdict_on_an_old_tag_is_refused,
    a_delete_or_a_push_under_the_same_tag_stands_beside,
    orphans_on_a_tag_are_told_apart_from_those_on_the_digest,
    who_refers_to_both_forms_is_listed_once,
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("store-").tempdir().expect("a folder")
}

fn open(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(SqliteStore::open(path, OpenFor::Serving)?))
}

/// The same file again. A child that another test has just forked holds all open files, and their locks with them, until
/// it executes its program.
fn reopen(path: &Path) -> Arc<dyn Store> {
    let started = std::time::Instant::now();
    loop {
        match open(path) {
            Err(OpenError::InUse(_)) if started.elapsed().as_secs() < 10 => std::thread::yield_now(),
            opened => return opened.expect("the same store"),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Debian's `sqlite3`, as an operator would use it.
fn sqlite3(path: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3").arg(path).arg(sql).output().expect("sqlite3, which tests/run installs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_was_committed_outlives_the_process_that_wrote_it() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(suite::a_held_relation_is_listed(store.clone()));
    drop(store);
    let listed = block_on(suite::listed(&*reopen(&path), &suite::subject()));
    assert_eq!(listed, [suite::key("a").digest]);
}

#[test]
fn an_attempt_of_an_earlier_process_is_an_orphan_at_once() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let attempt = suite::attempt("a", suite::FAR);
    let store = open(&path).expect("a new store");
    block_on(async { store.begin(&attempt).await.expect("room") });
    assert!(block_on(store.orphans(&suite::subject(), 9)).expect("readable").is_empty());
    drop(store);
    let orphans = block_on(reopen(&path).orphans(&suite::subject(), 9)).expect("readable");
    assert_eq!(
        orphans.iter().map(|orphan| (orphan.digest.clone(), orphan.expired)).collect::<Vec<_>>(),
        [(attempt.key.digest, false)]
    );
}

#[test]
fn one_serve_a_file() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let first = open(&path).expect("a new store");
    assert!(matches!(open(&path), Err(OpenError::InUse(_))));
    assert!(SqliteStore::open(&path, OpenFor::Command).is_ok(), "commands work beside it");
    drop(first);
    assert!(open(&path).is_ok());
}

#[test]
fn what_is_no_store_of_ours_is_refused_and_left_as_it_is() {
    let folder = folder();
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as one").expect("writable");
    let foreign = folder.path().join("foreign.db");
    sqlite3(&foreign, "CREATE TABLE mine (x)");
    let newer = folder.path().join("newer.db");
    drop(open(&newer).expect("a new store"));
    sqlite3(&newer, "PRAGMA user_version = 999");
    for (path, part) in [(&text, "not a backref store"), (&foreign, "not a backref store"), (&newer, "newer backref")] {
        let before = std::fs::read(path).expect("readable");
        let error = open(path).err().expect("a refusal").to_string();
        assert!(error.contains(part) && error.contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read(path).expect("readable"), before);
    }
}

#[test]
fn a_file_that_is_moved_away_takes_no_more_writes() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(store.check("up")).expect("writable");
    let away = folder.path().join("away.db");
    std::fs::rename(&path, &away).expect("renamed");
    let error = block_on(store.check("up")).expect_err("a refusal").to_string();
    assert!(error.contains("moved"), "{error}");
    std::fs::rename(&away, &path).expect("renamed");
    block_on(store.check("up")).expect("writable again");
}

#[test]
fn pushes_that_wait_together_are_all_recorded() {
    let folder = folder();
    let store = open(&folder.path().join("backref.db")).expect("a new store");
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..500 {
            let store = store.clone();
            tasks.spawn(async move { suite::hold(&*store, &format!("n{number}")).await });
        }
        tasks.join_all().await;
        let listed = suite::listed(&*store, &suite::subject()).await;
        assert_eq!(listed.len(), 500);
    });
}
