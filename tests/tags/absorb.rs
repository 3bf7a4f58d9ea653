//! Clients that write the referrers tag themselves, through backref.

use crate::stand::{INDEX, KINDS, delete, list, plain, put, put_as, referrer, up, url};
use crate::support::{Kind, http, sha256};

#[test]
fn referrers_tag_of_a_client_removes_no_referrer_and_adds_what_it_lists() {
    for kind in KINDS {
        let stand = up(kind);
        let [first, second] = ["first", "second"].map(|name| stand.push(name));
        let around = stand.push_around("around");
        let outdated = list(&[&referrer(&stand.subject, "first"), &around]);
        let answer = put_as(&stand.url(), &stand.tag(), &outdated);
        assert_eq!((answer.status, answer.header("docker-content-digest")), (201, &*sha256(&outdated)), "{kind:?}");
        let all = [first, second, sha256(&around)];
        assert_eq!(stand.listed(), all);
        assert_eq!(stand.tagged(), all, "what the client left out is there again");
        assert!(stand.is_marked());
        stand.flushed();
    }
}

#[test]
fn referrers_tag_of_a_client_that_the_registry_refuses_changes_nothing() {
    let stand = up(Kind::Distribution2);
    let there = stand.push_around("there");
    let answer = put_as(&stand.url(), &stand.tag(), &list(&[&there, &referrer(&stand.subject, "absent")]));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("BLOB_UNKNOWN"), "{answer:?}");
    // A refused index makes nothing a referrer: nobody but the client names its entries.
    assert!(stand.listed().is_empty());
    assert_eq!(
        (http::get(&url(&stand.registry.url(), &stand.tag()), &[("Accept", INDEX)]).status, stand.pending()),
        (404, 0)
    );
}

#[test]
fn referrers_tag_of_a_client_says_nothing_about_another_subject() {
    let stand = up(Kind::Distribution2);
    let other = referrer(&sha256(b"another subject"), "other");
    put(&stand.registry.url(), &sha256(&other), &other);
    let mine = stand.push("mine");
    put(&stand.url(), &stand.tag(), &list(&[&other]));
    assert_eq!(
        (stand.listed(), stand.tagged()),
        (vec![mine], vec![sha256(&other)]),
        "an index that lists nothing of this subject stays"
    );
    assert_eq!(stand.pending(), 1);
}

#[test]
fn referrers_tag_survives_a_clients_delete_of_an_old_index() {
    for kind in KINDS {
        let stand = up(kind);
        let first = stand.push("first");
        let current = sha256(&http::get(&url(&stand.registry.url(), &stand.tag()), &[("Accept", INDEX)]).body);
        // As a client that takes the current index for a replaced one.
        assert_eq!(delete(&stand.url(), &current), 202, "{kind:?}");
        assert_eq!((stand.listed(), stand.tagged()), (vec![first.clone()], vec![first]));
    }
}

#[test]
fn referrers_tag_survives_a_clients_delete_by_tag() {
    let stand = up(Kind::Distribution3);
    let first = stand.push("first");
    assert_eq!(delete(&stand.url(), &stand.tag()), 202);
    assert_eq!((stand.listed(), stand.tagged()), (vec![first.clone()], vec![first]));
}

#[test]
fn referrers_tag_index_of_another_subject_is_not_deleted_when_it_is_replaced() {
    let stand = up(Kind::Distribution2);
    let other = sha256(&plain("another"));
    put(&stand.registry.url(), &other, &plain("another"));
    let its = referrer(&other, "its");
    put(&stand.url(), &sha256(&its), &its);
    stand.flushed();
    let its_tag = other.replace(':', "-");
    let its_list = http::get(&url(&stand.registry.url(), &its_tag), &[("Accept", INDEX)]).body;
    put(&stand.registry.url(), &stand.tag(), &its_list);
    stand.push("first");
    let answer = http::get(&url(&stand.registry.url(), &its_tag), &[("Accept", INDEX)]);
    assert_eq!((answer.status, answer.body), (200, its_list), "the referrers tag of the other subject was deleted too");
}
