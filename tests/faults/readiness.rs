//! Readiness is that of the store and the process. Whether the registry answers is reported beside it: a load balancer
//! that took every backref out would leave clients without the answer that the registry is down.

use std::time::{Duration, Instant};

use crate::support::http;
use crate::support::{Backref, Fake, Gate, until};

/// Status and text of `/readyz`.
fn ready(backref: &Backref) -> (u16, String) {
    let answer = http::get(&format!("{}/readyz", backref.admin_url()), &[]);
    (answer.status, answer.text())
}

/// `backref_upstream_up`
fn up(backref: &Backref) -> u32 {
    let metrics = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
    let value = metrics.lines().find_map(|line| line.strip_prefix("backref_upstream_up{")?.rsplit(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no backref_upstream_up: {metrics}"))
}

#[test]
fn readiness_stays_while_the_registry_is_down_and_the_metric_says_so() {
    let fake = Fake::start(|visit| visit.answer("401 Unauthorized", &[], "who?"));
    let host = fake.host();
    let backref = Backref::of(&fake.url()).start();
    assert_eq!(up(&backref), 1, "without anybody who asked for readiness");
    assert_eq!(ready(&backref), (200, "process: ready\nstore: ready\nupstream: ready\n".to_owned()));
    drop(fake);
    until("the metric to follow", || (up(&backref) == 0).then_some(()));
    let (status, text) = ready(&backref);
    assert!(status == 200 && text.contains("upstream: no connection"), "{status} {text}");
    let _back = Fake::start_at(&host, |visit| visit.answer("500 Internal Server Error", &[], ""));
    until("the text to follow", || ready(&backref).1.contains("upstream: answers 500").then_some(()));
    assert_eq!((ready(&backref).0, up(&backref)), (200, 0));
}

#[test]
fn readiness_does_not_wait_for_a_registry_that_does_not_answer() {
    let never = Gate::default();
    let held = never.clone();
    let fake = Fake::start(move |_| held.pass());
    let backref = Backref::of(&fake.url()).start();
    // As often as an orchestrator asks, and within the second that it gives.
    for _ in 0..3 {
        let asked = Instant::now();
        let (status, text) = ready(&backref);
        assert!(status == 200 && text.contains("upstream: no answer"), "{status} {text}");
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    }
    assert_eq!(fake.seen().len(), 1, "one question at a time");
    until("the metric", || (up(&backref) == 0).then_some(()));
    assert!(ready(&backref).1.contains("upstream: no answer within 2s"));
    never.open();
}
