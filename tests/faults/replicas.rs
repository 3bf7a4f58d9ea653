//! Several replicas on one PostgreSQL database: what any of them has acknowledged, all of them list, whichever of them dies
//! and however often the database does. `KILLS=50` and `PUSHES=500` for as many.

use std::{
    collections::BTreeSet,
    env,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    kills::{Outcomes, listed, work},
    steps::SHORT,
    support::{Backref, Kind, Postgres, Registry, Seed, http, sha256, until},
    tagged::{INDEX, metric, plain, put, referrer, url},
};

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

fn replicas(registry: &Registry, store: &str) -> Vec<Backref> {
    (0..3).map(|_| Backref::of(&registry.url()).config(SHORT).store(store).start()).collect()
}

fn subjects(registry: &Registry, count: usize) -> Vec<String> {
    let subject = |number: usize| plain(&number.to_string());
    (0..count).map(|number| put(&registry.url(), &sha256(&subject(number)), &subject(number))).collect()
}

/// What the subject's referrers tag lists.
fn tag(registry: &Registry, subject: &str) -> Option<Vec<serde_json::Value>> {
    let answer = http::get(&url(&registry.url(), &subject.replace(':', "-")), &[("Accept", INDEX)]);
    (answer.status == 200).then(|| answer.json()["manifests"].as_array().expect("an index").clone())
}

#[test]
fn replicas_list_at_once_what_any_of_them_has_acknowledged() {
    let pushes = number("PUSHES", 120);
    let registry = Registry::of(Kind::Distribution2).start();
    let store = Postgres::shared().database();
    let replicas = replicas(&registry, &store);
    let subject = subjects(&registry, 1).remove(0);
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..pushes.min(100) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= pushes {
                        return;
                    }
                    let manifest = referrer(&subject, &at.to_string());
                    let (here, there) = (&replicas[at % 3], &replicas[(at + 1) % 3]);
                    put(&here.url(), &sha256(&manifest), &manifest);
                    // Another replica lists it as soon as this one has said yes.
                    assert!(listed(there, &subject).contains(&sha256(&manifest)), "{at}");
                }
            });
        }
    });
    let took = started.elapsed();
    let all: BTreeSet<_> = (0..pushes).map(|at| sha256(&referrer(&subject, &at.to_string()))).collect();
    for replica in &replicas {
        assert_eq!(listed(replica, &subject), all);
    }
    until("the referrers tag", || (metric(&replicas[0], "backref_referrers_tags_pending") == 0).then_some(()));
    assert_eq!(tag(&registry, &subject).expect("a tag").len(), pushes);
    let memory = replicas.iter().map(Backref::peak_memory).max().expect("three") >> 20;
    println!(
        "{pushes} pushes by three replicas, each listed by another at once, in {took:.1?}; at most {memory} MiB each"
    );
}

#[test]
fn replicas_lose_nothing_acknowledged_when_they_or_the_database_die() {
    let kills = number("KILLS", 6);
    let mut seed = Seed::of_this_run();
    let registry = Registry::of(Kind::Distribution2).start();
    // One that loses what isn't on the disk.
    let postgres = Postgres::start(&[]);
    let store = postgres.database();
    let mut replicas = replicas(&registry, &store);
    let subjects = subjects(&registry, 3);
    let mut outcomes: Vec<Outcomes> = subjects.iter().map(|_| Outcomes::default()).collect();
    let mut stops = 0;

    for kill in 0..kills {
        let stop = AtomicBool::new(false);
        let bases: Vec<String> = replicas.iter().map(Backref::url).collect();
        let (time, whom) = (Duration::from_millis(seed.below(700) + 50), seed.below(4));
        thread::scope(|scope| {
            let clients: Vec<_> = (0..6)
                .map(|client| {
                    let (base, stop, subjects, mut seed) = (&bases[client % 3], &stop, &subjects, seed.fork());
                    scope.spawn(move || work(base, subjects, &format!("{kill}-{client}"), stop, &mut seed))
                })
                .collect();
            let started = Instant::now();
            until("the moment", || (started.elapsed() >= time).then_some(()));
            // Every tenth time it is the database, and the third in any case.
            if whom == 3 && stops * 10 < kills || kill == 2 {
                postgres.stop_immediately();
                stops += 1;
                postgres.resume();
            } else {
                let replica = &mut replicas[usize::try_from(whom % 3).expect("small")];
                replica.kill();
                replica.start();
            }
            let resumed = Instant::now();
            until("some work after that", || (resumed.elapsed() >= Duration::from_millis(200)).then_some(()));
            stop.store(true, Ordering::SeqCst);
            for client in clients {
                for (all, mine) in outcomes.iter_mut().zip(client.join().expect("answers as they should be")) {
                    all.extend(mine);
                }
            }
        });
        // After a database that was away each tries again within a second.
        // `/readyz` may say for a second what was so before.
        for replica in &replicas {
            let query = format!("{}/v2/app/referrers/{}", replica.url(), subjects[0]);
            until("all replicas to have the database", || (http::get(&query, &[]).status == 200).then_some(()));
        }
        for (subject, outcomes) in subjects.iter().zip(&outcomes) {
            for replica in &replicas {
                let listed = listed(replica, subject);
                assert_eq!(outcomes.pushed.difference(&listed).next(), None, "acknowledged, not listed; kill {kill}");
                assert_eq!(outcomes.deleted.intersection(&listed).next(), None, "deleted and listed; kill {kill}");
            }
        }
    }

    until("pushes to flush the referrers tags, and queries to settle unresolved writes", || {
        for (at, subject) in subjects.iter().enumerate() {
            let last = referrer(subject, "last");
            put(&replicas[at % 3].url(), &sha256(&last), &last);
            listed(&replicas[at % 3], subject);
        }
        let open = ["backref_referrers_tags_pending", "backref_unresolved_writes"];
        (open.map(|name| metric(&replicas[0], name)) == [0, 0]).then_some(())
    });
    let lists = |backref: &Backref| -> Vec<_> {
        subjects.iter().map(|subject| http::referrers(backref.host(), "app", subject, &[])).collect()
    };
    let before = lists(&replicas[0]);
    assert!(replicas.iter().all(|replica| lists(replica) == before), "all list the same");
    for ((subject, outcomes), list) in subjects.iter().zip(&outcomes).zip(&before) {
        assert_eq!(tag(&registry, subject).as_ref(), Some(list), "the referrers tag lists what the query does");
        let listed: BTreeSet<_> = list.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect();
        for digest in outcomes.unknown.iter().chain(&outcomes.deleted).chain(&listed) {
            let there = http::get(&url(&registry.url(), digest), &[("Accept", INDEX)]).status == 200;
            assert_eq!(there, listed.contains(digest), "{digest}: there, and listed");
        }
    }

    // A database made anew from the registry says the same.
    let rebuilt = Backref::of(&registry.url()).config(SHORT).store(&postgres.database()).start();
    for (command, says) in [("backfill", "0 referrers tags written"), ("verify", "0 differences")] {
        let ran = rebuilt.command(command).arg("app").output().expect("a command");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains(says), "{command}: {ran:?}");
    }
    assert!(lists(&rebuilt) == before, "rebuilt from the registry");
    let count =
        |of: fn(&Outcomes) -> &BTreeSet<String>| outcomes.iter().map(|outcomes| of(outcomes).len()).sum::<usize>();
    println!(
        "{} kills of replicas, {stops} immediate stops of the database: {} acknowledged pushes, {} acknowledged deletes, \
         {} without an answer; all kept, on every replica, in the referrers tags and in a database made anew",
        kills - stops,
        count(|outcomes| &outcomes.pushed) + count(|outcomes| &outcomes.deleted),
        count(|outcomes| &outcomes.deleted),
        count(|outcomes| &outcomes.unknown),
    );
}

/// Two replicas and somebody who imports, all about one subject.
#[test]
fn replicas_push_while_somebody_imports() {
    let registry = Registry::of(Kind::Distribution2).start();
    let subject = subjects(&registry, 1).remove(0);
    // A client that knows no API kept the list so far.
    let old: Vec<Vec<u8>> = (0..40).map(|number| referrer(&subject, &format!("old-{number}"))).collect();
    for manifest in &old {
        put(&registry.url(), &sha256(manifest), manifest);
    }
    let list = crate::tagged::list(&old.iter().map(Vec::as_slice).collect::<Vec<_>>());
    put(&registry.url(), &subject.replace(':', "-"), &list);
    let store = Postgres::shared().database();
    let replicas: Vec<Backref> =
        (0..2).map(|_| Backref::of(&registry.url()).config(SHORT).store(&store).start()).collect();
    let importer = Backref::of(&registry.url()).config(SHORT).store(&store).start();
    thread::scope(|scope| {
        for (number, replica) in replicas.iter().enumerate() {
            let subject = &subject;
            scope.spawn(move || {
                for at in 0..30 {
                    let manifest = referrer(subject, &format!("new-{number}-{at}"));
                    put(&replica.url(), &sha256(&manifest), &manifest);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..3 {
                let ran = importer.command("backfill").arg("app").output().expect("a command");
                // distribution's own 500, once in a while: it reads a tag that it is writing.
                let said = String::from_utf8_lossy(&ran.stdout);
                assert!(ran.status.success() || said.contains("the registry answered 500"), "{ran:?}");
            }
        });
    });
    let ran = importer.command("backfill").arg("app").output().expect("a command");
    assert!(ran.status.success(), "nobody writes to it any more: {ran:?}");
    let mut all: BTreeSet<_> = old.iter().map(|manifest| sha256(manifest)).collect();
    for number in 0..2 {
        all.extend((0..30).map(|at| sha256(&referrer(&subject, &format!("new-{number}-{at}")))));
    }
    for replica in replicas.iter().chain([&importer]) {
        assert_eq!(listed(replica, &subject), all);
    }
    until("the referrers tag", || (metric(&replicas[0], "backref_referrers_tags_pending") == 0).then_some(()));
    let tagged = tag(&registry, &subject).expect("a tag");
    let tagged: BTreeSet<_> = tagged.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect();
    assert_eq!(tagged, all);
}
