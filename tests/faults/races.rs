//! A push and a delete of one manifest at the same time, in every order: queries list what the upstream then holds.

use std::thread::{self, JoinHandle};

use crate::manifests::{REPOSITORY, delete, path, push, push_as};
use crate::stand::{Hold, Stand};
use crate::support::http::Answer;
use crate::support::{Gate, Holdings, sha256};

/// What happens to one request, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    /// It reaches the upstream.
    Arrives,
    /// The upstream does what it asks.
    Acts,
    /// The answer goes back, as far as the client.
    Answers,
}

const EVENTS: [Event; 3] = [Event::Arrives, Event::Acts, Event::Answers];

/// Every order in which the events of two requests can come; `true` is an event of the push.
pub(crate) fn orders(pushes: usize, deletes: usize) -> Vec<Vec<bool>> {
    if pushes + deletes == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (is_push, left) in [(true, pushes), (false, deletes)] {
        if left > 0 {
            let rest = if is_push { orders(pushes - 1, deletes) } else { orders(pushes, deletes - 1) };
            all.extend(rest.into_iter().map(|rest| [vec![is_push], rest].concat()));
        }
    }
    all
}

/// One request and how far it is.
pub(crate) struct Racer {
    pub(crate) hold: Hold,
    events: std::slice::Iter<'static, Event>,
    client: Option<JoinHandle<Answer>>,
}

impl Racer {
    pub(crate) fn new(hold: Hold) -> Self {
        Self { hold, events: EVENTS.iter(), client: None }
    }

    pub(crate) fn next(&mut self, start: impl FnOnce() -> JoinHandle<Answer>) {
        match self.events.next().expect("three events") {
            Event::Arrives => {
                self.client = Some(start());
                self.hold.act.wait_for(1);
            }
            Event::Acts => {
                self.hold.act.open();
                self.hold.answer.wait_for(1);
            }
            Event::Answers => {
                self.hold.answer.open();
                let answer = self.client.take().expect("it has arrived").join().expect("an answer");
                assert!(matches!(answer.status, 201 | 202 | 404), "{answer:?}");
            }
        }
    }
}

fn race(order: &[bool], there_before: bool) {
    let (mut puts, mut deletes) = (Racer::new(Hold::new("PUT")), Racer::new(Hold::new("DELETE")));
    let race_on = Gate::default();
    let (put, del, on) = (puts.hold.clone(), deletes.hold.clone(), race_on.clone());
    let stand = Stand::up(move |holdings, visit| match visit.head.method() {
        "PUT" if on.is_open() => put.serve(holdings, visit),
        "DELETE" => del.serve(holdings, visit),
        _ => holdings.serve(visit),
    });
    let manifest = stand.referrer("contended");
    let digest = sha256(&manifest);
    if there_before {
        push(stand.backref.host(), &manifest);
    }
    race_on.open();
    for is_push in order {
        if *is_push {
            puts.next(|| stand.push_meanwhile(&manifest));
        } else {
            let (host, digest) = (stand.backref.host().to_owned(), digest.clone());
            deletes.next(|| thread::spawn(move || delete(&host, &digest)));
        }
    }
    let there = stand.holdings.holds(&path(&digest));
    let expected = if there { vec![digest] } else { vec![] };
    assert_eq!(stand.listed(), expected, "{order:?} (true: the push's event), there before: {there_before}");
}

#[test]
fn race_of_push_and_delete_of_a_new_manifest_ends_as_the_registry_does() {
    let orders = orders(3, 3);
    assert_eq!(orders.len(), 20);
    for order in orders {
        race(&order, false);
    }
}

#[test]
fn race_of_push_and_delete_of_an_existing_manifest_ends_as_the_registry_does() {
    for order in orders(3, 3) {
        race(&order, true);
    }
}

#[test]
fn race_of_many_pushes_and_deletes_ends_as_the_registry_does() {
    const ROUNDS: usize = 20;
    let stand = Stand::with(Holdings::serve, |backref| backref.config("workers = 4\n"));
    let manifests: Vec<_> = (0..3).map(|number| stand.referrer(&number.to_string())).collect();
    for round in 0..ROUNDS {
        thread::scope(|scope| {
            for worker in 0..6 {
                let (host, manifest) = (stand.backref.host(), &manifests[worker % 3]);
                scope.spawn(move || {
                    // Half of them push first, half delete first, and all do both.
                    for turn in 0..4 {
                        let status = if (turn + worker / 3 + round) % 2 == 0 {
                            push_as(host, &sha256(manifest), manifest).status
                        } else {
                            delete(host, &sha256(manifest)).status
                        };
                        assert!(matches!(status, 201 | 202 | 404), "{status}");
                    }
                });
            }
        });
        let mut listed = stand.listed();
        listed.sort();
        let mut held: Vec<_> = manifests.iter().map(|manifest| sha256(manifest)).collect();
        held.retain(|digest| stand.holdings.holds(&path(digest)));
        held.sort();
        assert_eq!(listed, held, "round {round}");
    }
}

#[test]
fn race_of_a_push_and_a_query_that_found_the_manifest_missing_lists_it() {
    // The subject is not there, so that a query asks about the referrer, just when it is pushed again.
    let heads = Hold::new("HEAD");
    let race_on = Gate::default();
    let (hold, on) = (heads.clone(), race_on.clone());
    let stand = Stand::with(
        move |holdings, visit| {
            let asked = visit.is("HEAD") && visit.head.target().ends_with(&sha256(&referrer_of_absent()));
            if asked && on.is_open() { hold.serve(holdings, visit) } else { holdings.serve(visit) }
        },
        |backref| backref.config("[permit]\nttl = \"0\"\n"),
    );
    let manifest = referrer_of_absent();
    let (host, digest, absent) = (stand.backref.host(), sha256(&manifest), sha256(b"absent"));
    let other = crate::manifests::referrer(&absent, "other");
    push(host, &other);
    push(host, &manifest);
    stand.holdings.forget(&path(&digest));
    race_on.open();
    // The upstream has decided on 404; the manifest is pushed again before that answer is sent.
    heads.act.open();
    let url = format!("{}/v2/{REPOSITORY}/referrers/{absent}", stand.backref.url());
    let asking = thread::spawn(move || crate::support::http::get(&url, &[]));
    heads.answer.wait_for(1);
    let again = push_as(host, &digest, &manifest);
    assert_eq!(again.status, 201);
    heads.answer.open();
    assert_eq!(asking.join().expect("an answer").status, 200);
    let listed = crate::manifests::listed(&stand.backref, &absent);
    assert_eq!(listed, [sha256(&other), digest]);
}

fn referrer_of_absent() -> Vec<u8> {
    crate::manifests::referrer(&sha256(b"absent"), "contended")
}
