//! A network between backref and a real registry that delays, cuts, loses, lies and repeats, while clients push, delete,
//! ask and write the referrers tag themselves. `SEED=7 OPERATIONS=200` for other and longer runs.

use std::collections::BTreeSet;
use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::steps::SHORT;
use crate::support::http::{self, Answer};
use crate::support::{Backref, Chaos, Kind, Mishap, Registry, Seed, sha256, until};
use crate::tagged::{INDEX, KINDS, metric, plain, put, referrer, url};

const SUBJECTS: usize = 3;
const CLIENTS: usize = 6;
const TIME_FOR_TAGS: Duration = Duration::from_secs(3);

/// What happens to every fourth request. The registry stays truthful: every 404 is its own.
fn mishap(seed: &mut Seed) -> Mishap {
    match seed.below(40) {
        0 => Mishap::Delay(seed.below(300)),
        1 => Mishap::Lost,
        2 => Mishap::CutRequest,
        3 => Mishap::CutAnswer,
        4 => Mishap::NoAnswer,
        5 => Mishap::Refused([429, 500, 502, 503][usize::try_from(seed.below(4)).expect("small")]),
        6 => Mishap::Denied([500, 502, 504][usize::try_from(seed.below(3)).expect("small")]),
        7 => Mishap::Twice,
        8 | 9 => Mishap::Late(seed.below(900)),
        _ => Mishap::Nothing,
    }
}

/// What the final state has to agree with, by the answers that the clients got.
#[derive(Default)]
struct Expected {
    /// Acknowledged, and nobody asked to delete it.
    kept: BTreeSet<String>,
    /// Acknowledged as deleted.
    deleted: BTreeSet<String>,
    /// All that was asked for.
    touched: BTreeSet<String>,
}

impl Expected {
    fn extend(&mut self, more: Self) {
        self.kept.extend(more.kept);
        self.deleted.extend(more.deleted);
        self.touched.extend(more.touched);
    }
}

#[test]
fn chaos_loses_nothing_acknowledged_in_front_of_distribution_2() {
    survive(KINDS[0]);
}

#[test]
fn chaos_loses_nothing_acknowledged_in_front_of_distribution_3() {
    survive(KINDS[1]);
}

fn survive(kind: Kind) {
    let mut seed = Seed::of_this_run();
    let operations: usize = env::var("OPERATIONS").map_or(25, |number| number.parse().expect("OPERATIONS: a number"));
    let registry = Registry::of(kind).start();
    let subjects: Vec<String> = (0..SUBJECTS)
        .map(|number| put(&registry.url(), &sha256(&plain(&number.to_string())), &plain(&number.to_string())))
        .collect();
    let chance = Mutex::new(seed.fork());
    let chaos = Chaos::before(registry.host(), move |_| mishap(&mut chance.lock().expect("no one panicked")));
    let backref = Backref::of(&chaos.url()).config(SHORT).start();

    let mut expected = Expected::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (base, subjects, mut seed) = (backref.url(), &subjects, seed.fork());
                scope.spawn(move || work(&base, subjects, client, operations, &mut seed))
            })
            .collect();
        for client in clients {
            expected.extend(client.join().expect("answers as they should be"));
        }
    });
    chaos.calm();

    // A new push flushes the referrers tag, and finds what a late delete removed; queries settle unresolved writes.
    let mut round = 0;
    let lists = until("queries, referrers tags and the registry to agree, and nothing to be pending", || {
        round += 1;
        for subject in &subjects {
            let last = referrer(subject, &format!("last {round}"));
            put(&backref.url(), &sha256(&last), &last);
        }
        // A long referrers tag is not written at once.
        let started = Instant::now();
        let pending = || metric(&backref, "backref_referrers_tags_pending") > 0;
        until("time for the referrers tags", || (!pending() || started.elapsed() > TIME_FOR_TAGS).then_some(()));
        let lists: Vec<_> =
            subjects.iter().map(|subject| http::referrers(backref.host(), "app", subject, &[])).collect();
        let open = ["backref_referrers_tags_pending", "backref_unresolved_writes"].map(|name| metric(&backref, name));
        let tags = subjects.iter().map(|subject| entries(&tag(&registry.url(), subject)));
        (open == [0, 0] && tags.eq(lists.iter().cloned())).then_some(lists)
    });
    let listed: BTreeSet<String> = lists.iter().flatten().map(digest).collect();
    assert_eq!(expected.kept.difference(&listed).next(), None, "acknowledged, never deleted, and not listed");
    for digest in expected.touched.union(&listed) {
        let there = http::get(&url(&registry.url(), digest), &[("Accept", INDEX)]).status == 200;
        let deleted = expected.deleted.contains(digest);
        assert_eq!(there, listed.contains(digest), "{digest}: there, and listed; acknowledged as deleted: {deleted}");
    }
    println!("{kind:?}: {} of {} kept and listed; {:?}", expected.kept.len(), expected.touched.len(), chaos.happened());
}

fn work(base: &str, subjects: &[String], client: usize, operations: usize, seed: &mut Seed) -> Expected {
    let mut expected = Expected::default();
    for number in 0..operations {
        let subject = &subjects[usize::try_from(seed.below(subjects.len() as u64)).expect("small")];
        let manifest = referrer(subject, &format!("{client}-{number}"));
        let mine = sha256(&manifest);
        expected.touched.insert(mine.clone());
        if status(base, "PUT", &mine, &manifest) != Some(201) {
            continue;
        }
        match seed.below(4) {
            0 => {
                if status(base, "DELETE", &mine, b"") == Some(202) {
                    expected.deleted.insert(mine);
                }
            }
            1 => {
                // As old clients do, who read the referrers tag, add to it, and write it.
                expected.kept.insert(mine.clone());
                let read = tag(base, subject);
                if matches!(read.status, 200 | 404) {
                    let mut manifests = entries(&read);
                    manifests.push(serde_json::json!({"mediaType": INDEX, "digest": mine, "size": manifest.len()}));
                    let list = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
                    status(base, "PUT", &subject.replace(':', "-"), list.to_string().as_bytes());
                }
            }
            _ => {
                expected.kept.insert(mine);
                let list = http::get(&format!("{base}/v2/app/referrers/{subject}"), &[]);
                assert!(matches!(list.status, 200 | 429 | 500..), "{list:?}");
            }
        }
    }
    expected
}

/// `None`: the answer was cut in its middle.
fn status(base: &str, method: &str, reference: &str, body: &[u8]) -> Option<u16> {
    let answer = http::try_send(method, &url(base, reference), &[("Content-Type", INDEX)], body);
    answer.ok().map(|answer| answer.status)
}

/// The answer to a GET of a referrers tag.
fn tag(base: &str, subject: &str) -> Answer {
    // The connection may be cut in the middle of the answer.
    until("an answer", || http::try_send("GET", &url(base, &subject.replace(':', "-")), &[("Accept", INDEX)], b"").ok())
}

fn entries(answer: &Answer) -> Vec<Value> {
    if answer.status == 200 { answer.json()["manifests"].as_array().cloned().unwrap_or_default() } else { Vec::new() }
}

fn digest(entry: &Value) -> String {
    entry["digest"].as_str().expect("a digest").to_owned()
}
