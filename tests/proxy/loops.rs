//! An upstream that leads back to backref, as after a DNS name was moved to it.

use std::sync::{Arc, OnceLock};

use crate::support::{Backref, Fake, http, until};

#[test]
fn loop_is_ended_at_its_first_turn() {
    let own = Arc::new(OnceLock::<String>::new());
    let address = own.clone();
    let fake = Fake::start(move |visit| {
        visit.body();
        let Some(own) = address.get() else { return visit.answer("200 OK", &[], "") };
        let headers: Vec<(String, String)> = visit
            .head
            .headers
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = http::send(visit.head.method(), &format!("{own}{}", visit.head.target()), &headers, b"");
        visit.answer(&format!("{} Said", answer.status), &["Content-Type: application/json"], &answer.body);
    });
    let backref = Backref::of(&fake.url()).start();
    own.set(backref.url()).expect("once");
    let subject = format!("sha256:{}", "0".repeat(64));
    for path in ["/v2/", "/v2/app/manifests/v1", &format!("/v2/app/referrers/{subject}")] {
        let before = fake.seen().len();
        let answer = http::get(&format!("{}{path}", backref.url()), &[]);
        assert!(matches!(answer.status, 502 | 508), "{path}: {answer:?}");
        assert!(fake.seen().len() - before <= 3, "{path}: {} requests", fake.seen().len() - before);
    }
    let said = http::get(&format!("{}/v2/", backref.url()), &[]).text();
    assert!(said.contains("leads back to backref") && said.contains("--upstream"), "{said}");
    until("the state to tell", || {
        let said = http::get(&format!("{}/readyz", backref.admin_url()), &[]).text();
        said.contains("508").then_some(())
    });
}

#[test]
fn loop_is_none_where_another_backref_stands_in_between() {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], ""));
    let inner = Backref::of(&fake.url()).start();
    let outer = Backref::of(&inner.url()).start();
    assert_eq!(http::get(&format!("{}/v2/", outer.url()), &[("Via", "1.1 proxy")]).status, 200);
    let seen = fake.seen();
    let via = seen.last().expect("a request").head.values("via").join(", ");
    assert!(via.starts_with("1.1 proxy, 1.1 backref-") && via.matches("backref-").count() == 2, "{via}");
}
