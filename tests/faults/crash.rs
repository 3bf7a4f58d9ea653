//! `kill -9` of backref, at each step of a push or delete, and a new start on the same store.

use std::sync::{Arc, Mutex};
use std::thread;

use crate::manifests::{INDEX, delete, path, push, referrer};
use crate::stand::{Hold, Stand};
use crate::support::{Holdings, http, sha256, until};

#[test]
fn crash_keeps_acknowledged_pushes_listed() {
    let mut stand = Stand::up(Holdings::serve);
    let mut pushed = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            pushed.push(push(stand.backref.host(), &stand.referrer(&format!("{round}-{number}"))));
        }
        // At once: the last push was acknowledged a moment ago.
        stand.backref.kill();
        stand.backref.start();
        assert_eq!(stand.listed(), pushed);
    }
}

#[test]
fn crash_under_load_keeps_acknowledged_pushes_listed() {
    let mut stand = Stand::up(Holdings::serve);
    for round in 0..3 {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let pushing: Vec<_> = (0..8)
            .map(|client| {
                let (host, subject, acknowledged) =
                    (stand.backref.host().to_owned(), stand.subject.clone(), Arc::clone(&acknowledged));
                thread::spawn(move || {
                    // Until backref is killed.
                    for number in 0.. {
                        let manifest = referrer(&subject, &format!("{round}-{client}-{number}"));
                        let digest = sha256(&manifest);
                        let url = format!("http://{host}{}", path(&digest));
                        let Ok(answer) = http::try_send("PUT", &url, &[("Content-Type", INDEX)], &manifest) else {
                            return;
                        };
                        assert_eq!(answer.status, 201, "{answer:?}");
                        acknowledged.lock().expect("no one panicked").push(digest);
                    }
                })
            })
            .collect();
        until("pushes to be under way", || (acknowledged.lock().expect("no one panicked").len() >= 50).then_some(()));
        stand.backref.kill();
        for client in pushing {
            client.join().expect("only acknowledged pushes");
        }
        stand.backref.start();
        let listed = stand.listed();
        for digest in &*acknowledged.lock().expect("no one panicked") {
            assert!(listed.contains(digest), "{digest} was acknowledged, and is not listed");
        }
        for digest in &listed {
            assert!(stand.holdings.holds(&path(digest)), "{digest} is listed, and not there");
        }
    }
}

#[test]
fn crash_keeps_a_deleted_referrer_unlisted() {
    let mut stand = Stand::up(Holdings::serve);
    let [gone, kept] = ["gone", "kept"].map(|name| push(stand.backref.host(), &stand.referrer(name)));
    assert_eq!(delete(stand.backref.host(), &gone).status, 202);
    stand.backref.kill();
    stand.backref.start();
    assert_eq!(stand.listed(), [kept]);
}

#[test]
fn crash_after_the_registry_acted_on_a_push_lists_it() {
    let put = Hold::new("PUT");
    let hold = put.clone();
    let mut stand = Stand::up(move |holdings, visit| hold.serve(holdings, visit));
    let manifest = stand.referrer("a");
    put.act.open();
    let client = stand.push_meanwhile(&manifest);
    put.answer.wait_for(1);
    stand.backref.kill();
    client.join().expect_err("no answer came, least of all a good one");
    stand.backref.start();
    stand.backref.wait_for_orphans();
    assert_eq!(stand.listed(), [sha256(&manifest)]);
    put.answer.open();
}

#[test]
fn crash_before_the_registry_acts_on_a_push_lists_it_once_the_registry_acts() {
    let put = Hold::new("PUT");
    let hold = put.clone();
    let mut stand = Stand::up(move |holdings, visit| hold.serve(holdings, visit));
    let manifest = stand.referrer("a");
    let client = stand.push_meanwhile(&manifest);
    put.act.wait_for(1);
    stand.backref.kill();
    client.join().expect_err("no answer came, least of all a good one");
    stand.backref.start();
    assert_eq!(stand.listed(), [""; 0]);
    // The upstream has had it all the time, and carries it out now.
    put.act.open();
    put.answer.wait_for(1);
    // Not every query asks again.
    until("the manifest to be found", || (stand.listed() == [sha256(&manifest)]).then_some(()));
    put.answer.open();
}

#[test]
fn crash_in_the_middle_of_a_delete_leaves_the_referrer_unlisted() {
    let deletes = Hold::new("DELETE");
    let hold = deletes.clone();
    let mut stand = Stand::with(
        move |holdings, visit| hold.serve(holdings, visit),
        |backref| {
            backref.without_tags().config("[upstream]\nanswer_timeout = \"200ms\"\nconnect_timeout = \"100ms\"\n")
        },
    );
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    deletes.act.open();
    let host = stand.backref.host().to_owned();
    let target = digest.clone();
    let client = thread::spawn(move || delete(&host, &target));
    deletes.answer.wait_for(1);
    stand.backref.kill();
    client.join().expect_err("no answer came");
    stand.backref.start();
    assert!(!stand.holdings.holds(&path(&digest)));
    // The delete may land until its time is over; a query after that finds the digest gone.
    until("the delete to be settled", || stand.listed().is_empty().then_some(()));
    deletes.answer.open();
}
