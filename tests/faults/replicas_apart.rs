//! A PostgreSQL database that is away, slow, cut off or silent, and replicas whose clocks differ.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    kills::listed,
    steps::SHORT,
    support::{Backref, Kind, Link, Postgres, Registry, Weather, http, sha256, until},
    tagged::{INDEX, metric, plain, put, put_as, referrer, url},
};

fn subject(registry: &Registry) -> String {
    put(&registry.url(), &sha256(&plain("subject")), &plain("subject"))
}

fn push(backref: &Backref, subject: &str, name: &str) -> http::Answer {
    let manifest = referrer(subject, name);
    put_as(&backref.url(), &sha256(&manifest), &manifest)
}

fn query(backref: &Backref, subject: &str) -> u16 {
    http::get(&format!("{}/v2/app/referrers/{subject}", backref.url()), &[]).status
}

fn readiness(backref: &Backref) -> (u16, String) {
    let answer = http::get(&format!("{}/readyz", backref.admin_url()), &[]);
    (answer.status, answer.text())
}

fn has_store(backref: &Backref) -> bool {
    readiness(backref).1.contains("store: ready")
}

/// What must hold while there is no database.
fn assert_only_referrers_stop(backref: &Backref, subject: &str) {
    let answer = push(backref, subject, "refused");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("Retry-After").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert!(answer.text().contains("backref's database"), "{answer:?}");
    assert_eq!(query(backref, subject), 503, "no list from nowhere");
    // All else passes.
    assert_eq!(http::get(&url(&backref.url(), subject), &[("Accept", INDEX)]).status, 200);
    put(&backref.url(), "v1", &plain("image"));
    assert!(http::tags(backref.host(), "app").contains(&"v1".to_owned()));
    // All replicas have the same database: were they not ready for it, nobody would serve what passes.
    let (status, text) = until("backref to say so", || {
        let (status, text) = readiness(backref);
        (!text.contains("store: ready")).then_some((status, text))
    });
    assert_eq!(status, 200, "{text}");
    assert_eq!(metric(backref, "backref_store_up"), 0);
}

#[test]
fn replicas_go_on_without_the_database_and_use_it_again_when_it_is_back() {
    let registry = Registry::of(Kind::Distribution2).start();
    let postgres = Postgres::start(&["fsync=off"]);
    let backref = Backref::of(&registry.url()).config(SHORT).store(&postgres.database()).start();
    let subject = subject(&registry);
    assert_eq!(push(&backref, &subject, "before").status, 201);
    postgres.stop_immediately();
    assert_only_referrers_stop(&backref, &subject);
    postgres.resume();
    until("the database to be used again", || has_store(&backref).then_some(()));
    assert_eq!(metric(&backref, "backref_store_up"), 1);
    assert_eq!(push(&backref, &subject, "after").status, 201);
    assert_eq!(listed(&backref, &subject).len(), 2);
    let log = backref.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn replicas_start_without_the_database() {
    let registry = Registry::of(Kind::Distribution2).start();
    let postgres = Postgres::start(&["fsync=off"]);
    let store = postgres.database();
    postgres.stop_immediately();
    let backref = Backref::of(&registry.url()).config(SHORT).store(&store).start();
    let subject = subject(&registry);
    assert_only_referrers_stop(&backref, &subject);
    assert!(backref.log().contains("can't be used yet, and will be once it can"), "{}", backref.log());
    // A command has nothing to do without it, and says why.
    let ran = backref.command("verify").output().expect("a command");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(2) && said.contains("cannot use the database postgres://"), "{ran:?}");
    postgres.resume();
    until("the database to be used", || has_store(&backref).then_some(()));
    assert_eq!(push(&backref, &subject, "a").status, 201);
    assert_eq!(listed(&backref, &subject).len(), 1);
}

#[test]
fn replicas_stand_a_slow_a_cut_and_a_silent_link() {
    let registry = Registry::of(Kind::Distribution2).start();
    let postgres = Postgres::start(&["fsync=off"]);
    let store = postgres.database();
    let link = Link::to(&format!("127.0.0.1:{}", postgres.port()));
    let through = store.replace(&format!(":{}/", postgres.port()), &format!(":{}/", link.port()));
    let near = Backref::of(&registry.url()).config(SHORT).store(&store).start();
    let mut far = Backref::of(&registry.url()).config(SHORT).store(&through).start();
    let subject = subject(&registry);
    assert_eq!(push(&far, &subject, "fine").status, 201);
    link.set(Weather::Slow(Duration::from_millis(30)));
    assert_eq!(push(&far, &subject, "slow").status, 201);
    assert_eq!(listed(&near, &subject).len(), 2);

    link.set(Weather::Cut);
    assert_only_referrers_stop(&far, &subject);
    link.set(Weather::Fine);
    until("the database to be used again", || has_store(&far).then_some(()));
    assert_eq!(push(&far, &subject, "after the cut").status, 201);

    // Whoever hangs holds nobody else up for longer than the server lets it.
    link.set(Weather::Silent);
    let started = Instant::now();
    thread::scope(|scope| {
        let hanging = scope.spawn(|| push(&far, &subject, "silent").status);
        assert_eq!(push(&near, &subject, "meanwhile").status, 201);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(hanging.join().expect("an answer"), 503);
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    });
    link.set(Weather::Fine);
    until("the database to be used again", || has_store(&far).then_some(()));
    assert_eq!(push(&far, &subject, "at last").status, 201);
    assert_eq!(listed(&near, &subject), listed(&far, &subject));
    assert_eq!(listed(&near, &subject).len(), 5);

    // It ends in time all the same.
    link.set(Weather::Silent);
    let started = Instant::now();
    assert_eq!(far.terminate().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn replicas_may_have_clocks_an_hour_apart() {
    let library = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    assert!(library.exists(), "Debian's libfaketime, which tests/run installs");
    let registry = Registry::of(Kind::Distribution2).start();
    let store = Postgres::shared().database();
    let at = |offset: &str| {
        let of = Backref::of(&registry.url()).config(SHORT).store(&store);
        let of = of.environment("LD_PRELOAD", library.to_str().expect("text")).environment("FAKETIME", offset);
        of.environment("FAKETIME_DONT_FAKE_MONOTONIC", "1").start()
    };
    let replicas = [at("-1h"), at("+1h"), Backref::of(&registry.url()).config(SHORT).store(&store).start()];
    let subject = subject(&registry);
    let mut pushed = Vec::new();
    for number in 0..9 {
        let name = number.to_string();
        assert_eq!(push(&replicas[number % 3], &subject, &name).status, 201);
        pushed.push(sha256(&referrer(&subject, &name)));
        // Nobody takes over what another is about, and no lease is over before its time.
        assert_eq!(metric(&replicas[(number + 1) % 3], "backref_unresolved_writes"), 0);
    }
    for replica in &replicas {
        let list = http::referrers(replica.host(), "app", &subject, &[]);
        let digests: Vec<_> = list.iter().map(|one| one["digest"].as_str().expect("a digest")).collect();
        assert_eq!(digests, pushed, "in the order in which they came");
    }
    let gone = &pushed[4];
    assert_eq!(http::send("DELETE", &url(&replicas[1].url(), gone), &[], b"").status, 202);
    assert!(replicas.iter().all(|replica| !listed(replica, &subject).contains(gone)));
    until("the referrers tag", || (metric(&replicas[0], "backref_referrers_tags_pending") == 0).then_some(()));
    let tag = http::get(&url(&registry.url(), &subject.replace(':', "-")), &[("Accept", INDEX)]).json();
    assert_eq!(tag["manifests"].as_array().map(Vec::len), Some(8));
}

/// A replica dies in the middle of what it does to the tag: another goes on once the lease is over.
#[test]
fn replicas_take_over_a_tag_whose_writer_died() {
    let registry = Registry::of(Kind::Distribution2).start();
    let store = Postgres::shared().database();
    let mut dying = Backref::of(&registry.url()).config(SHORT).store(&store).start();
    let other = Backref::of(&registry.url()).config(SHORT).store(&store).start();
    let subject = subject(&registry);
    assert_eq!(push(&dying, &subject, "a").status, 201);
    dying.terminate();
    dying.start_to_die("tag-begun=return");
    let manifest = referrer(&subject, "b");
    drop(http::try_send("PUT", &url(&dying.url(), &sha256(&manifest)), &[("Content-Type", INDEX)], &manifest));
    dying.wait_for_death();
    let started = Instant::now();
    until("the other to write the tag", || {
        push(&other, &subject, "c");
        (metric(&other, "backref_referrers_tags_pending") == 0).then_some(())
    });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let tag = http::get(&url(&registry.url(), &subject.replace(':', "-")), &[("Accept", INDEX)]).json();
    assert_eq!(tag["manifests"].as_array().map(Vec::len), Some(3));
}

/// JSON says what a text of PostgreSQL's can't: a NUL. And nothing says how long a type may be.
#[test]
fn replicas_take_every_type_that_a_manifest_may_state() {
    let registry = Registry::of(Kind::Distribution2).start();
    let backref = Backref::of(&registry.url()).config(SHORT).store(&Postgres::shared().database()).start();
    let subject = subject(&registry);
    let long = (0..200).map(|number: u32| sha256(&number.to_be_bytes())).collect::<String>();
    for (name, artifact_type) in [("nul", "a/\0b"), ("long", &*long)] {
        let mut manifest: serde_json::Value = serde_json::from_slice(&referrer(&subject, name)).expect("JSON");
        manifest["artifactType"] = artifact_type.into();
        manifest["annotations"]["x\0y"] = "z\0".into();
        let manifest = manifest.to_string().into_bytes();
        assert_eq!(put_as(&backref.url(), &sha256(&manifest), &manifest).status, 201, "{name}");
        let filter = artifact_type.replace('\0', "%00");
        let url = format!("{}/v2/app/referrers/{subject}?artifactType={filter}", backref.url());
        let list = http::get(&url, &[]).json();
        assert_eq!(list["manifests"].as_array().map(Vec::len), Some(1), "{name}: {list}");
        assert_eq!(list["manifests"][0]["digest"], sha256(&manifest), "{name}");
        assert_eq!(list["manifests"][0]["artifactType"], artifact_type, "{name}: as it was stated");
    }
}
