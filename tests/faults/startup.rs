//! What backref refuses to start on: said in a sentence, with exit code 2, and the file as it was.

use std::fs;
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;

use crate::manifests::push;
use crate::stand::Stand;
use crate::support::{Backref, Holdings, until};

/// Runs a command that is expected to end by itself.
fn end(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the end of a backref that should not have started", || child.try_wait().expect("ours"))
    }));
    if ended.is_err() {
        child.kill().expect("ours");
    }
    child.wait_with_output().expect("ours")
}

/// A second `serve` beside a backref, or on what is left of it, with other ports.
fn serve(backref: &Backref) -> Output {
    let mut command = backref.command("serve");
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    end(command)
}

fn assert_refused(output: &Output, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "it said that it listens");
    for part in parts {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Started once, so that there is a store, and ended.
fn ended() -> Stand {
    let mut stand = Stand::on_sqlite(Holdings::serve);
    push(stand.backref.host(), &stand.referrer("a"));
    assert_eq!(stand.backref.terminate().code(), Some(0));
    stand
}

/// Refused on this file, which stays as it is.
fn assert_refused_on(stand: &Stand, parts: &[&str]) {
    let file = stand.backref.database();
    let before = fs::read(&file).expect("a file");
    let name = file.display().to_string();
    let output = serve(&stand.backref);
    assert_refused(&output, &[&[name.as_str()], parts].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(before == fs::read(&file).expect("a file"), "the file was changed: {said}");
    // Nor was anything put beside it that a later start could take for a part of it.
    for ending in ["-wal", "-journal"] {
        let beside = fs::metadata(format!("{name}{ending}"));
        assert!(beside.is_err() || beside.is_ok_and(|file| file.len() == 0), "{ending}");
    }
}

#[test]
fn startup_of_a_second_serve_on_the_same_database_is_refused() {
    let mut stand = Stand::on_sqlite(Holdings::serve);
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    let file = stand.backref.database().display().to_string();
    assert_refused(&serve(&stand.backref), &[&file, "in use"]);
    // The first one has not noticed.
    assert_eq!(stand.listed(), [digest]);
    push(stand.backref.host(), &stand.referrer("b"));
    // And its end, however it comes, frees the file.
    stand.backref.kill();
    stand.backref.start();
}

#[test]
fn startup_on_a_file_that_is_no_database_is_refused() {
    let stand = ended();
    for text in ["shopping list\n", &"x".repeat(100_000), "SQLite format 3"] {
        fs::write(stand.backref.database(), text).expect("it can be written");
        assert_refused_on(&stand, &["not a backref database"]);
    }
}

#[test]
fn startup_on_a_database_of_another_program_is_refused() {
    let stand = ended();
    for mode in ["DELETE", "WAL"] {
        fs::remove_file(stand.backref.database()).expect("the store");
        let other = Connection::open(stand.backref.database()).expect("a new one");
        other.pragma_update(None, "journal_mode", mode).expect("a mode");
        other.execute_batch("CREATE TABLE referrer (mine TEXT); PRAGMA user_version = 1;").expect("a table");
        drop(other);
        assert_refused_on(&stand, &["not a backref database"]);
    }
}

#[test]
fn startup_on_a_database_of_a_newer_release_is_refused() {
    let stand = ended();
    let store = Connection::open(stand.backref.database()).expect("the store");
    store.pragma_update(None, "user_version", 999).expect("it can be written");
    store.execute("UPDATE schema SET min_reader = 999", []).expect("it can be written");
    drop(store);
    assert_refused_on(&stand, &["newer", "999"]);
}

#[test]
fn startup_on_a_damaged_database_is_refused() {
    let stand = ended();
    let good = fs::read(stand.backref.database()).expect("the store");
    let cut = good[..good.len() / 2].to_vec();
    let scribbled = |from: usize| {
        let mut bytes = good.clone();
        bytes[from..].fill(0xa5);
        bytes
    };
    // A torn copy; the first page kept and all others scribbled over; the list of tables scribbled over.
    for bytes in [cut, scribbled(4096), scribbled(200)] {
        // With nothing beside it, as a copy has nothing.
        for ending in ["-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{ending}", stand.backref.database().display())));
        }
        fs::write(stand.backref.database(), bytes).expect("it can be written");
        assert_refused_on(&stand, &[]);
    }
}

#[test]
fn startup_on_a_database_that_can_not_be_written_or_created_is_refused() {
    let stand = ended();
    let folder = stand.backref.directory().display().to_string();
    for path in ["/proc/backref.db", &folder, &format!("{folder}/no/such/folder/backref.db")] {
        let mut command = Command::new(stand.backref.command("serve").get_program());
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--upstream", &stand.fake.url(), "--store", &format!("sqlite:{path}")]);
        assert_refused(&end(command), &[path]);
    }
}

#[test]
fn startup_on_a_port_in_use_is_refused() {
    let stand = Stand::on_sqlite(Holdings::serve);
    let other = Stand::on_sqlite(Holdings::serve);
    let mut command = stand.backref.command("serve");
    command.args(["--listen", other.backref.host(), "--admin", "127.0.0.1:0"]);
    assert_refused(&end(command), &["listen", other.backref.host()]);
}

#[test]
fn startup_in_front_of_itself_is_refused() {
    // An address of this test's own.
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = format!("127.200.{high}.{low}:5080");
    let upstream = format!("http://{own}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
    command.args(["serve", "--upstream", &upstream, "--listen", &own, "--admin", "127.0.0.1:0"]);
    assert_refused(&end(command), &["upstream.url", &upstream, "where backref itself listens"]);
}

#[test]
fn startup_names_every_mistake_in_the_configuration() {
    let stand = ended();
    let file = stand.backref.directory().join("backref.toml");
    fs::write(
        &file,
        "workers = \"many\"\n[limits]\nhead = \"8 bananas\"\nhaed_timeout = \"1s\"\n[permit]\nttl = \"2m\"\n",
    )
    .expect("it can be written");
    let mut command = stand.backref.command("serve");
    command.args(["--listen", "nowhere", "--admin", "127.0.0.1:0"]).env("BACKREF_LOG_FORMAT", "xml");
    let name = file.display().to_string();
    assert_refused(
        &end(command),
        &[
            &format!("{name}:1:11: workers"),
            &format!("{name}:3:8: limits.head"),
            &format!("{name}:4:16: limits.haed_timeout"),
            &format!("{name}:6:7: permit.ttl"),
            "--listen: listen",
            "BACKREF_LOG_FORMAT: log.format",
        ],
    );
}
