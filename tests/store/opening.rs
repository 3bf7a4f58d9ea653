//! What is refused when a SQLite file is opened, and what the operator hears.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
};

use backref::store::{OpenError, OpenFor, SqliteStore, Store};

use crate::{block_on, folder, open, processes::Process, reopen, sqlite3, world};

/// The refusal names the file as it was given, and what to do.
fn assert_refused(path: &Path, parts: &[&str]) {
    for purpose in [OpenFor::Serving, OpenFor::Command] {
        let error = SqliteStore::open(path, purpose, 1).err().expect("a refusal").to_string();
        for part in parts.iter().chain([&&*path.display().to_string()]) {
            assert!(error.contains(part), "{error}: {part}");
        }
    }
}

#[test]
fn store_what_is_no_store_of_ours_is_refused_and_left_as_it_is() {
    let folder = folder();
    let text = folder.path().join("text");
    fs::write(&text, "not a database, but long enough to be looked at as one").expect("writable");
    let foreign = folder.path().join("foreign.db");
    sqlite3(&foreign, "CREATE TABLE mine (x)");
    let newer = folder.path().join("newer.db");
    drop(open(&newer).expect("a new store"));
    sqlite3(&newer, "PRAGMA user_version = 999; UPDATE schema SET min_reader = 998");
    let lost = folder.path().join("lost.db");
    drop(open(&lost).expect("a new store"));
    sqlite3(&lost, "PRAGMA user_version = 999; DROP TABLE schema");
    for (path, parts) in [
        (&text, &["not a backref database"][..]),
        (&foreign, &["not a backref database"]),
        (&newer, &["newer backref", "999", "use that release"]),
        (&lost, &["newer backref", "999", "use that release"]),
    ] {
        let before = fs::read(path).expect("readable");
        assert_refused(path, parts);
        assert_eq!(fs::read(path).expect("readable"), before);
    }
}

#[test]
fn store_a_newer_release_s_file_is_used_if_it_says_that_this_one_may() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    drop(open(&path).expect("a new store"));
    // As a later release leaves it: a migration more, with a column that this release doesn't know.
    sqlite3(&path, "ALTER TABLE referrer ADD COLUMN later TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 999");
    let command =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&path, OpenFor::Command, 1).expect("min_reader lets it")) };
    for store in [command(), reopen(&path)] {
        block_on(world::hold(&*store, "a"));
        assert_eq!(block_on(world::listed(&*store, &world::subject())), [world::key("a").digest]);
    }
    assert_eq!(sqlite3(&path, "PRAGMA user_version; SELECT min_reader FROM schema"), "999\n1\n", "it stays as it is");
}

#[test]
fn store_a_path_at_which_no_file_can_be_says_why() {
    let folder = folder();
    let there = folder.path();
    assert_refused(there, &["it is a folder", &there.join("backref.db").display().to_string()]);
    let missing = there.join("no/such/folder");
    assert_refused(
        &missing.join("backref.db"),
        &[&format!("the folder {} does not exist", missing.display()), "mkdir -p"],
    );
    assert!(!there.join("no").exists());
    let file = there.join("file");
    fs::write(&file, "").expect("writable");
    assert_refused(&file.join("backref.db"), &[&format!("{} is not a folder", file.display())]);
    assert_refused(Path::new("/dev/null"), &["not a regular file"]);
    assert_refused(Path::new("/proc/backref.db"), &["the folder /proc", "choose another path"]);
    let dangling = there.join("dangling.db");
    symlink(there.join("gone.db"), &dangling).expect("a link");
    assert_refused(&dangling, &["symbolic link", "gone.db", "does not exist"]);
    assert!(!there.join("gone.db").exists());
}

/// What a process without rights hears.
fn refusal_without_rights(path: &Path, purpose: OpenFor) -> String {
    Process::start(path, purpose, "a", false).go().end().expect_err("a refusal")
}

#[test]
fn store_a_folder_or_file_that_may_not_be_written_says_so() {
    let folder = folder();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    let new = folder.path().join("new.db");
    let used = folder.path().join("used.db");
    drop(open(&used).expect("a new store"));
    fs::remove_file(folder.path().join("used.db.lock")).expect("it was locked");
    mode(&used, 0o666);
    mode(folder.path(), 0o555);
    for path in [&new, &used] {
        for purpose in [OpenFor::Serving, OpenFor::Command] {
            let text = refusal_without_rights(path, purpose);
            let parts = ["this user may not write", &path.display().to_string(), "owner", "another path"];
            let named = format!("the folder {}", folder.path().canonicalize().expect("there").display());
            assert!(parts.iter().chain([&&*named]).all(|part| text.contains(part)), "{text}");
        }
    }
    mode(folder.path(), 0o777);
    mode(&used, 0o444);
    for purpose in [OpenFor::Serving, OpenFor::Command] {
        let text = refusal_without_rights(&used, purpose);
        assert!(text.contains("this user may not write it"), "{text}");
    }
}

#[test]
fn store_a_file_in_use_is_found_by_whatever_name() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(world::hold(&*store, "a"));
    let link = folder.path().join("link.db");
    symlink("backref.db", &link).expect("a link");
    let elsewhere = folder.path().join("elsewhere");
    symlink(folder.path(), &elsewhere).expect("a link");
    for name in [&link, &elsewhere.join("backref.db"), &elsewhere.join("link.db"), &folder.path().join("./backref.db")]
    {
        let error = open(name).err().expect("a refusal");
        assert!(matches!(error, OpenError::InUse(_)), "{}: {error}", name.display());
        let beside = SqliteStore::open(name, OpenFor::Command, 1).expect("commands work beside it");
        assert_eq!(block_on(world::listed(&beside, &world::subject())), [world::key("a").digest]);
    }
    assert!(!folder.path().join("link.db-wal").exists() && !folder.path().join("link.db.lock").exists());

    let hard = folder.path().join("hard.db");
    fs::hard_link(&path, &hard).expect("one file system");
    for name in [&hard, &path] {
        assert_refused(name, &["2 names (hard links)", "remove all but one"]);
    }
    drop(store);
    assert_refused(&hard, &["2 names (hard links)"]);
    assert!(!folder.path().join("hard.db-wal").exists());
    fs::remove_file(&hard).expect("deleted");
    let listed = block_on(world::listed(&*reopen(&link), &world::subject()));
    assert_eq!(listed, [world::key("a").digest]);
}

#[test]
fn store_first_starts_at_once_make_one_database() {
    for round in 0..10 {
        let folder = folder();
        let path = folder.path().join("backref.db");
        let processes = (0..6).map(|number| Process::start(&path, OpenFor::Command, &format!("n{number}"), true));
        let processes: Vec<_> = processes.collect();
        let going: Vec<_> = processes.into_iter().map(Process::go).collect();
        for process in going {
            assert_eq!(process.end(), Ok(()), "round {round}");
        }
        let listed = block_on(world::listed(&*reopen(&path), &world::subject()));
        assert_eq!(listed.len(), 6, "round {round}");
    }
}
