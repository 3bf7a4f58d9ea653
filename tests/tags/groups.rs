//! What many pushes to one subject cost the upstream.

use std::thread;

use crate::stand::{INDEX, Stand, metric, plain, put, referrer, up, with};
use crate::support::{Backref, Fake, Holdings, Kind, Registry, Seen, http, sha256, until};

#[test]
fn referrers_tag_of_a_push_costs_one_read_and_one_write() {
    let stand = with(Registry::distribution_2().deletes(false), |backref| backref);
    stand.push("first");
    until("the first to be written", || stand.about_the_tag(0).contains(&"PUT 201".to_owned()).then_some(()));
    let since = stand.registry.requests().len();
    for name in ["a", "b", "c"] {
        stand.push(name);
    }
    until("three writes", || (writes(&stand, since) == 3).then_some(()));
    assert_eq!(
        stand.about_the_tag(since),
        ["HEAD 200", "PUT 201"].repeat(3),
        "backref does not read what it wrote itself"
    );
}

#[test]
fn referrers_tag_that_another_client_wrote_costs_one_more_read() {
    let stand = with(Registry::distribution_2().deletes(false), |backref| backref);
    let mine = stand.push("mine");
    let around = stand.push_around("around");
    put(&stand.registry.url(), &stand.tag(), &crate::stand::list(&[&around]));
    let since = stand.registry.requests().len();
    let last = stand.push("last");
    until("the write", || (writes(&stand, since) == 1).then_some(()));
    assert_eq!(stand.about_the_tag(since), ["HEAD 200", "GET 200", "PUT 201"]);
    // In order of arrival: what was found arrived when it was found.
    assert_eq!(stand.tagged(), [mine, last, sha256(&around)]);
}

#[test]
fn referrers_tag_writes_of_concurrent_pushes_are_combined() {
    const PUSHES: usize = 100;
    let stand = up(Kind::Distribution2);
    let mut pushed = at_once(&stand, PUSHES);
    assert_eq!(stand.listed().len(), PUSHES);
    stand.flushed();
    let mut tagged = stand.tagged();
    pushed.sort();
    tagged.sort();
    assert_eq!(tagged, pushed);
    let writes = writes(&stand, 0);
    println!("{PUSHES} pushes at once: {writes} writes of the tag");
    assert!(writes <= PUSHES / 2, "{writes}");
}

/// Pushes so many referrers from 16 clients at once.
fn at_once(stand: &Stand, count: usize) -> Vec<String> {
    const CLIENTS: usize = 16;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    let mine = (client..count).step_by(CLIENTS);
                    mine.map(|number| stand.push(&number.to_string())).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("all were acknowledged")).collect()
    })
}

/// One after the other, a thousand pushes could cost the upstream half a million entries.
#[test]
fn referrers_tag_writes_of_successive_pushes_grow_less_than_quadratically() {
    const PUSHES: usize = 1000;
    let stand = up(Kind::Distribution2);
    let host = stand.url();
    for number in 0..PUSHES {
        let manifest = referrer(&stand.subject, &number.to_string());
        put(&host, &sha256(&manifest), &manifest);
    }
    stand.flushed();
    assert_eq!(stand.tagged().len(), PUSHES);
    assert_eq!(http::referrers(stand.backref.host(), "app", &stand.subject, &[]).len(), PUSHES);
    let writes = writes(&stand, 0);
    println!("{PUSHES} pushes one after the other: {writes} writes of the tag");
    assert!(writes < PUSHES / 4, "{writes}");
}

fn writes(stand: &Stand, since: usize) -> usize {
    stand.about_the_tag(since).iter().filter(|request| *request == "PUT 201").count()
}

/// The same in bytes, by an upstream that counts them: written at each push, the referrers tags would come to 150 MB.
#[test]
fn referrers_tag_bytes_of_successive_pushes_grow_less_than_quadratically() {
    const PUSHES: usize = 1000;
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let subject = sha256(&subject);
    let fake = Fake::start(move |visit| holdings.serve(visit));
    let backref = Backref::of(&fake.url()).start();
    for number in 0..PUSHES {
        let manifest = referrer(&subject, &number.to_string());
        put(&backref.url(), &sha256(&manifest), &manifest);
    }
    until("the referrers tag to be flushed", || {
        (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(())
    });
    let is_tag = |seen: &Seen| seen.head.method() == "PUT" && seen.head.target().contains("/manifests/sha256-");
    let written: Vec<usize> =
        fake.seen().into_iter().filter(is_tag).map(|seen| seen.body.map_or(0, |body| body.len())).collect();
    let (bytes, last) = (written.iter().sum::<usize>(), written.last().copied().unwrap_or_default());
    println!("{PUSHES} pushes one after the other: {} writes, {bytes} bytes, the last {last}", written.len());
    assert!(bytes < PUSHES * last / 2 / 4, "{bytes}: a quarter of what each push would write");
}
