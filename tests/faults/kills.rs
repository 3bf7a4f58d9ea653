//! `kill -9` at any time while clients push and delete. `KILLS=50` for as many.

use std::collections::BTreeSet;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::steps::SHORT;
use crate::support::{Backref, Kind, Registry, Seed, http, sha256, until};
use crate::tagged::{INDEX, metric, plain, put, referrer, url};

const SUBJECTS: usize = 4;
const CLIENTS: usize = 6;
const TIME_FOR_TAGS: Duration = Duration::from_secs(3);

/// The outcomes of the requests, by the answers that the clients got.
#[derive(Default)]
pub(crate) struct Outcomes {
    /// Acknowledged, and nobody deleted it.
    pub(crate) pushed: BTreeSet<String>,
    /// Acknowledged as deleted.
    pub(crate) deleted: BTreeSet<String>,
    /// Asked for, without an answer.
    pub(crate) unknown: BTreeSet<String>,
}

impl Outcomes {
    pub(crate) fn extend(&mut self, more: Self) {
        self.pushed.extend(more.pushed);
        self.deleted.extend(more.deleted);
        self.unknown.extend(more.unknown);
    }
}

#[test]
fn kill_at_any_time_loses_nothing_acknowledged() {
    let kills: usize = env::var("KILLS").map_or(5, |kills| kills.parse().expect("KILLS: a number"));
    let mut seed = Seed::of_this_run();
    let registry = Registry::of(Kind::Distribution2).start();
    let mut backref = Backref::of(&registry.url()).config(SHORT).start();
    let subjects: Vec<String> = (0..SUBJECTS)
        .map(|number| put(&registry.url(), &sha256(&plain(&number.to_string())), &plain(&number.to_string())))
        .collect();
    let mut outcomes: Vec<Outcomes> = subjects.iter().map(|_| Outcomes::default()).collect();

    for kill in 0..kills {
        let stop = AtomicBool::new(false);
        let (base, started) = (backref.url(), Instant::now());
        let time = Duration::from_millis(seed.below(700) + 50);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (base, stop, subjects, mut seed) = (&base, &stop, &subjects, seed.fork());
                    scope.spawn(move || work(base, subjects, &format!("{kill}-{client}"), stop, &mut seed))
                })
                .collect();
            until("the moment", || (started.elapsed() >= time).then_some(()));
            backref.kill();
            stop.store(true, Ordering::SeqCst);
            for client in clients {
                for (all, mine) in outcomes.iter_mut().zip(client.join().expect("answers as they should be")) {
                    all.extend(mine);
                }
            }
        });
        backref.start();
        for (subject, outcomes) in subjects.iter().zip(&outcomes) {
            let listed = listed(&backref, subject);
            assert_eq!(
                outcomes.pushed.difference(&listed).next(),
                None,
                "acknowledged and not listed, after kill {kill}"
            );
            assert_eq!(outcomes.deleted.intersection(&listed).next(), None, "deleted and listed, after kill {kill}");
        }
    }

    let lists = |backref: &Backref| -> Vec<_> {
        subjects.iter().map(|subject| http::referrers(backref.host(), "app", subject, &[])).collect()
    };
    let before = until("pushes to flush the referrers tags, and queries to settle unresolved writes", || {
        for subject in &subjects {
            let last = referrer(subject, "last");
            put(&backref.url(), &sha256(&last), &last);
        }
        // A long referrers tag is not written at once.
        let started = Instant::now();
        let pending = || metric(&backref, "backref_referrers_tags_pending") > 0;
        until("time for the referrers tags", || (!pending() || started.elapsed() > TIME_FOR_TAGS).then_some(()));
        let lists = lists(&backref);
        let open = ["backref_referrers_tags_pending", "backref_unresolved_writes"].map(|name| metric(&backref, name));
        (open == [0, 0]).then_some(lists)
    });
    for ((subject, outcomes), list) in subjects.iter().zip(&outcomes).zip(&before) {
        let tag = http::get(&url(&registry.url(), &subject.replace(':', "-")), &[("Accept", INDEX)]).json();
        assert_eq!(tag["manifests"].as_array(), Some(list), "the referrers tag lists what the query does");
        let listed: BTreeSet<_> = list.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect();
        assert_eq!(outcomes.pushed.difference(&listed).next(), None, "acknowledged and not listed");
        for digest in outcomes.unknown.iter().chain(&outcomes.deleted).chain(&listed) {
            let there = http::get(&url(&registry.url(), digest), &[("Accept", INDEX)]).status == 200;
            assert_eq!(there, listed.contains(digest), "{digest}: there, and listed");
        }
    }

    backref.terminate();
    backref.forget_store();
    // By the commands, not by the queries below: `verify` compares what `backfill` has recorded.
    for (command, says) in [("backfill", "0 referrers tags written"), ("verify", "0 differences")] {
        let ran = backref.command(command).arg("app").output().expect("a command");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains(says), "{command}: {ran:?}");
        assert!(command != "verify" || said.contains(&format!("{} images compared", subjects.len())), "{said}");
    }
    backref.start();
    assert!(lists(&backref) == before, "restored from the referrers tags, the database lists what it did");
    let count =
        |of: fn(&Outcomes) -> &BTreeSet<String>| outcomes.iter().map(|outcomes| of(outcomes).len()).sum::<usize>();
    println!(
        "{kills} kills: {} acknowledged pushes, {} acknowledged deletes, {} without an answer; all kept, listed, in \
         the referrers tag, and in the restored database",
        count(|outcomes| &outcomes.pushed) + count(|outcomes| &outcomes.deleted),
        count(|outcomes| &outcomes.deleted),
        count(|outcomes| &outcomes.unknown),
    );
}

/// Pushes, and deletes every third of its own, until backref is killed.
pub(crate) fn work(base: &str, subjects: &[String], name: &str, stop: &AtomicBool, seed: &mut Seed) -> Vec<Outcomes> {
    let mut outcomes: Vec<Outcomes> = subjects.iter().map(|_| Outcomes::default()).collect();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let at = usize::try_from(seed.below(subjects.len() as u64)).expect("a small number");
        let manifest = referrer(&subjects[at], &format!("{name}-{number}"));
        let (digest, outcomes) = (sha256(&manifest), &mut outcomes[at]);
        let ask = |method, body: &[u8]| {
            let answer = http::try_send(method, &url(base, &digest), &[("Content-Type", INDEX)], body);
            answer.map(|answer| (answer.status, answer.text()))
        };
        outcomes.unknown.insert(digest.clone());
        match ask("PUT", &manifest) {
            Err(_) => break,
            Ok((201, _)) => {}
            // 504 of a busy machine, where a second was not enough; and distribution's own 5xx, once in a while.
            Ok((500.., _)) => continue,
            Ok(answer) => panic!("{answer:?}"),
        }
        if seed.below(3) == 0 {
            match ask("DELETE", b"") {
                Err(_) => break,
                Ok((202, _)) => outcomes.deleted.insert(digest.clone()),
                Ok((500.., _)) => continue,
                Ok(answer) => panic!("{answer:?}"),
            };
        } else {
            outcomes.pushed.insert(digest.clone());
        }
        outcomes.unknown.remove(&digest);
    }
    outcomes
}

pub(crate) fn listed(backref: &Backref, subject: &str) -> BTreeSet<String> {
    let list = http::referrers(backref.host(), "app", subject, &[]);
    list.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}
