//! A referrers tag that a registry answers in a content coding, asked for or not.

use crate::stand::{INDEX, list, plain, put_as, referrer};
use crate::support::http;
use crate::support::{Backref, Fake, Holdings, sha256};

#[test]
fn referrers_tag_in_a_coding_is_no_empty_list() {
    let subject = sha256(&plain("subject"));
    let tag = subject.replace(':', "-");
    let holdings = Holdings::default();
    holdings.hold("app", INDEX, &plain("subject"));
    let around = referrer(&subject, "around");
    holdings.hold("app", INDEX, &around);
    let tag_path = format!("/v2/app/manifests/{tag}");
    holdings.hold_at(&tag_path, INDEX, &list(&[&around]));
    let (held, path) = (holdings.clone(), tag_path.clone());
    let fake = Fake::start(move |visit| {
        let coded = visit.is("GET") && visit.head.target() == path;
        let Some(reply) = held.apply(visit) else { return };
        // Whatever was asked for.
        if coded { reply.with(&["Content-Encoding: gzip"]).give(visit) } else { reply.give(visit) }
    });
    let backref = Backref::of(&fake.url()).start();
    let url = format!("{}/v2/app/referrers/{subject}", backref.url());
    let answer = http::get(&url, &[("Accept-Encoding", "gzip")]);
    assert!(answer.status >= 500, "{answer:?}");
    for seen in fake.seen() {
        assert_eq!(seen.head.header("Accept-Encoding"), Some("identity"), "{seen:?}");
    }
    // A list that was not read is not written over.
    let pushed = referrer(&subject, "pushed");
    assert_eq!(put_as(&backref.url(), &sha256(&pushed), &pushed).status, 201);
    let puts = fake.seen().into_iter().filter(|seen| seen.head.method() == "PUT" && seen.head.target() == tag_path);
    assert_eq!(puts.count(), 0);
}
