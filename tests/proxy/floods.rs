//! Whoever floods backref with changes that the registry refuses leaves others their share of the registry's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::manifests::{INDEX, REPOSITORY, plain, referrer};
use crate::support::{Backref, Gate, Holdings, http, sha256, until};

const STRANGERS: usize = 60;

/// Asks that a registry refuses: by whom, and what for.
fn flood(method: &'static str, who: impl Fn(usize) -> Option<String> + Send + Sync + 'static, most: usize) {
    let (gate, going, peak) = (Gate::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (holding, at_once, highest) = (gate.clone(), going.clone(), peak.clone());
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let subject = sha256(&subject);
    let fake = holdings.upstream(move |_, visit| {
        if visit.head.header("Authorization") == Some("Basic owner") {
            return false;
        }
        visit.body();
        highest.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        holding.pass();
        at_once.fetch_sub(1, Ordering::SeqCst);
        visit.answer("401 Unauthorized", &["Content-Type: application/json"], json!({"errors": []}).to_string());
        true
    });
    let backref = Backref::of(&fake.url()).start();
    let send = |method, name: &str, who: Option<&str>| {
        let manifest = referrer(&subject, name);
        let url = format!("{}/v2/{REPOSITORY}/manifests/{}", backref.url(), sha256(&manifest));
        let headers: Vec<_> =
            who.map(|who| ("Authorization", who)).into_iter().chain([("Content-Type", INDEX)]).collect();
        http::send(method, &url, &headers, if method == "PUT" { &manifest } else { b"" }).status
    };
    let ask = &|number: usize| send(method, &format!("r{number}"), who(number).as_deref());
    assert_eq!(send("PUT", "first", Some("Basic owner")), 201);
    // Until the first refusals all are alike.
    gate.open();
    for number in 0..64 {
        assert_eq!(ask(number), 401);
    }
    gate.close();
    peak.store(0, Ordering::SeqCst);
    let arrived = fake.seen().len();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (64..64 + STRANGERS).map(|number| scope.spawn(move || ask(number))).collect();
        until("some of them to be let in", || (fake.seen().len() >= arrived + most).then_some(()));
        assert_eq!(send("PUT", "owner's", Some("Basic owner")), 201, "others wait for them");
        gate.open();
        for one in asking {
            assert_eq!(one.join().expect("an answer"), 401);
        }
    });
    assert_eq!(peak.load(Ordering::SeqCst), most, "of {STRANGERS}");
}

#[test]
fn limits_deletes_of_a_caller_who_is_refused() {
    flood("DELETE", |_| None, 2);
}

#[test]
fn limits_pushes_of_a_caller_who_is_refused() {
    flood("PUT", |_| None, 2);
}

#[test]
fn limits_deletes_with_credentials_that_are_made_up() {
    flood("DELETE", |number| Some(format!("Basic {number}")), 8);
}
