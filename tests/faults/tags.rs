//! Digest tags and cosign's tags when requests fail or race: the relations end up as the upstream's tags say.

use std::thread::{self, JoinHandle};

use crate::manifests::{delete, digest_tag, known, path, plain, push_as};
use crate::races::{Racer, orders};
use crate::stand::{Hold, Stand};
use crate::support::http::Answer;
use crate::support::{Backref, Gate, Holdings, Visit, sha256, until};

const COSIGN: &str = "[referrers]\ncosign_tags = true\n";

fn up(script: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Stand {
    Stand::with(script, |backref| backref.config(COSIGN).without_tags())
}

impl Stand {
    fn known(&self) -> Vec<String> {
        known(&self.backref, &self.subject)
    }

    fn cosigns_tag(&self) -> String {
        format!("{}.sig", self.subject.replace(':', "-"))
    }

    fn push_under(&self, tag: &str, manifest: &[u8]) {
        let answer = push_as(self.backref.host(), tag, manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn push_under_meanwhile(&self, tag: &str, manifest: &[u8]) -> JoinHandle<Answer> {
        let (host, tag, manifest) = (self.backref.host().to_owned(), tag.to_owned(), manifest.to_owned());
        thread::spawn(move || push_as(&host, &tag, &manifest))
    }

    fn delete_meanwhile(&self, reference: &str) -> JoinHandle<Answer> {
        let (host, reference) = (self.backref.host().to_owned(), reference.to_owned());
        thread::spawn(move || delete(&host, &reference))
    }

    fn restart(&mut self) {
        self.backref.kill();
        self.backref.start();
        self.backref.wait_for_orphans();
    }
}

#[test]
fn cosign_tag_of_two_pushes_at_once_counts_for_the_last_in_every_order() {
    let manifests = ["a", "b"].map(plain);
    for order in orders(3, 3) {
        let mut racers = [Racer::new(Hold::new("PUT")), Racer::new(Hold::new("PUT"))];
        let holds = racers.each_ref().map(|racer| racer.hold.clone());
        let first = sha256(&manifests[0]);
        let stand = up(move |holdings, visit| {
            let of_first = visit.body().is_some_and(|body| sha256(&body) == first);
            if visit.is("PUT") { holds[usize::from(!of_first)].serve(holdings, visit) } else { holdings.serve(visit) }
        });
        let tag = stand.cosigns_tag();
        let (mut steps, mut last) = ([0, 0], 0);
        for is_first in &order {
            let number = usize::from(!is_first);
            racers[number].next(|| stand.push_under_meanwhile(&tag, &manifests[number]));
            steps[number] += 1;
            if steps[number] == 2 {
                last = number; // it acted
            }
        }
        assert_eq!(stand.known(), [sha256(&manifests[last])], "{order:?}");
    }
}

/// A push under a digest tag, and a delete of what `reference` makes of manifest and tag.
fn race_with_a_delete(reference: impl Fn(&[u8], &str) -> String, there_before: bool) {
    let manifest = plain("contended");
    for order in orders(3, 3) {
        let (mut puts, mut deletes) = (Racer::new(Hold::new("PUT")), Racer::new(Hold::new("DELETE")));
        let race_on = Gate::default();
        let (put, del, on) = (puts.hold.clone(), deletes.hold.clone(), race_on.clone());
        let stand = up(move |holdings, visit| match visit.head.method() {
            "PUT" if on.is_open() => put.serve(holdings, visit),
            "DELETE" => del.serve(holdings, visit),
            _ => holdings.serve(visit),
        });
        let tag = digest_tag(&stand.subject, &manifest);
        if there_before {
            stand.push_under(&tag, &manifest);
        }
        race_on.open();
        for is_push in &order {
            if *is_push {
                puts.next(|| stand.push_under_meanwhile(&tag, &manifest));
            } else {
                deletes.next(|| stand.delete_meanwhile(&reference(&manifest, &tag)));
            }
        }
        let there = stand.holdings.holds(&path(&tag));
        let expected = if there { vec![sha256(&manifest)] } else { vec![] };
        assert_eq!(stand.known(), expected, "{order:?} (true: the push's event), there before: {there_before}");
    }
}

#[test]
fn digest_tag_pushed_and_deleted_at_once_ends_as_the_registry_in_every_order() {
    for there_before in [false, true] {
        race_with_a_delete(|_, tag| tag.to_owned(), there_before);
    }
}

#[test]
fn digest_tag_push_and_delete_of_its_manifest_end_as_the_registry_in_every_order() {
    for there_before in [false, true] {
        race_with_a_delete(|manifest, _| sha256(manifest), there_before);
    }
}

#[test]
fn cosign_tag_push_killed_after_the_registry_acted_counts() {
    let (put, on) = (Hold::new("PUT"), Gate::default());
    let (hold, holds) = (put.clone(), on.clone());
    let mut stand =
        up(move |holdings, visit| if holds.is_open() { hold.serve(holdings, visit) } else { holdings.serve(visit) });
    let (old, new, tag) = (plain("old"), plain("new"), stand.cosigns_tag());
    stand.push_under(&tag, &old);
    on.open();
    put.act.open();
    let client = stand.push_under_meanwhile(&tag, &new);
    put.answer.wait_for(1);
    stand.restart();
    client.join().expect_err("no answer came, least of all a good one");
    assert_eq!(stand.known(), [sha256(&new)], "the tag is on it, and not on the older one any more");
    put.answer.open();
    assert_eq!(stand.known(), [sha256(&new)]);
}

#[test]
fn cosign_tag_push_killed_before_the_registry_acts_counts_once_the_registry_acts() {
    let (put, on) = (Hold::new("PUT"), Gate::default());
    let (hold, holds) = (put.clone(), on.clone());
    let mut stand =
        up(move |holdings, visit| if holds.is_open() { hold.serve(holdings, visit) } else { holdings.serve(visit) });
    let (old, new, tag) = (plain("old"), plain("new"), stand.cosigns_tag());
    stand.push_under(&tag, &old);
    on.open();
    let client = stand.push_under_meanwhile(&tag, &new);
    put.act.wait_for(1);
    stand.restart();
    client.join().expect_err("no answer came, least of all a good one");
    assert_eq!(stand.known(), [sha256(&old)], "what was acknowledged stays, and nothing else is listed");
    // The upstream has had it all the time, and carries it out now.
    put.act.open();
    put.answer.wait_for(1);
    // Not every query asks again.
    until("the manifest to be found", || (stand.known() == [sha256(&new)]).then_some(()));
    put.answer.open();
}

#[test]
fn digest_tag_delete_killed_before_the_registry_acts_counts_once_the_registry_acts() {
    let deletes = Hold::new("DELETE");
    let hold = deletes.clone();
    let mut stand = up(move |holdings, visit| hold.serve(holdings, visit));
    let manifest = plain("a");
    let tag = digest_tag(&stand.subject, &manifest);
    stand.push_under(&tag, &manifest);
    let client = stand.delete_meanwhile(&tag);
    deletes.act.wait_for(1);
    stand.restart();
    client.join().expect_err("no answer came");
    assert_eq!(stand.known(), [sha256(&manifest)], "it is there yet");
    deletes.act.open();
    deletes.answer.wait_for(1);
    until("the delete to be found", || stand.known().is_empty().then_some(()));
    assert!(stand.holdings.holds(&path(&sha256(&manifest))), "the manifest is there, under no tag");
    deletes.answer.open();
}

#[test]
fn digest_tag_push_of_unknown_outcome_counts_exactly_if_the_registry_took_it() {
    for takes in [true, false] {
        let stand = up(move |holdings, visit| {
            if visit.is("PUT") {
                if takes {
                    drop(holdings.apply(visit));
                }
                visit.body();
                visit.answer("502 Bad Gateway", &[], "");
            } else {
                holdings.serve(visit);
            }
        });
        let manifest = plain("a");
        let tag = digest_tag(&stand.subject, &manifest);
        assert_eq!(push_as(stand.backref.host(), &tag, &manifest).status, 502);
        let expected = if takes { vec![sha256(&manifest)] } else { vec![] };
        assert_eq!(stand.known(), expected);
    }
}

#[test]
fn cosign_tag_moved_directly_in_the_registry_is_found_after_a_failed_push() {
    let on = Gate::default();
    let failing = on.clone();
    let stand = up(move |holdings, visit| {
        if visit.is("PUT") && failing.is_open() {
            visit.body();
            visit.answer("502 Bad Gateway", &[], "");
        } else {
            holdings.serve(visit);
        }
    });
    let tag = stand.cosigns_tag();
    let direct = Backref::of(&stand.fake.url()).without_tags().start();
    assert_eq!(push_as(direct.host(), &tag, &plain("around")).status, 201);
    on.open();
    assert_eq!(push_as(stand.backref.host(), &tag, &plain("lost")).status, 502);
    assert_eq!(stand.known(), [sha256(&plain("around"))]);
}
