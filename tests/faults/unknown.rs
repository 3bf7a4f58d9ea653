//! Upstreams that refuse, and upstreams of which nobody knows whether they took a manifest.

use std::time::{Duration, Instant};

use crate::manifests::{INDEX, REPOSITORY, delete, path, plain, push, push_as};
use crate::stand::Stand;
use crate::support::{Gate, Holdings, Visit, sha256, until};

/// What the upstream does with a PUT.
#[derive(Clone, Copy, Debug)]
enum Put {
    /// Takes it or not, and says this.
    Say(&'static str),
    /// Takes it or not, and hangs up.
    Cut,
    /// Takes it or not, and never answers.
    Silence,
}

fn put(holdings: &Holdings, visit: &mut Visit, takes: bool, then: Put) {
    if takes {
        drop(holdings.apply(visit));
    } else {
        visit.body();
    }
    match then {
        Put::Say(status) => {
            let headers = ["Content-Type: application/json", "X-Odd: 1", "Retry-After: 3"];
            visit.answer(status, &headers, "{\"errors\":[{\"code\":\"ODD\"}]}");
        }
        Put::Cut => visit.close(),
        Put::Silence => Gate::default().pass(),
    }
}

/// How often the upstream was asked whether it has the manifest.
fn asked(stand: &Stand, manifest: &[u8]) -> usize {
    let path = path(&sha256(manifest));
    stand.fake.seen().iter().filter(|seen| seen.head.target() == path && seen.head.method() != "PUT").count()
}

/// In front of an upstream that treats the first PUT so, and serves all others as a registry does.
fn up(takes: bool, then: Put) -> Stand {
    let first = Gate::default();
    Stand::with(
        move |holdings, visit| {
            if visit.is("PUT") && !first.is_open() {
                first.open();
                put(holdings, visit, takes, then);
            } else {
                holdings.serve(visit);
            }
        },
        |backref| backref.config("[upstream]\nanswer_timeout = \"300ms\"\n"),
    )
}

#[test]
fn push_refused_by_the_registry_gives_its_answer_and_leaves_nothing() {
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "413 Too Large", "429 Slow Down"] {
        let stand = up(false, Put::Say(status));
        let manifest = stand.referrer("a");
        let answer = push_as(stand.backref.host(), "v1", &manifest);
        assert!(status.starts_with(&answer.status.to_string()), "{status}: {answer:?}");
        assert_eq!(answer.text(), "{\"errors\":[{\"code\":\"ODD\"}]}");
        assert_eq!((answer.header("X-Odd"), answer.header("Retry-After")), ("1", "3"));
        assert_eq!(answer.headers.get("OCI-Subject"), None, "{status}");
        assert_eq!(stand.listed(), [""; 0]);
        assert_eq!(asked(&stand, &manifest), 0, "{status}: the query found an unresolved write");
    }
}

#[test]
fn push_of_unknown_outcome_is_listed_where_the_registry_took_it() {
    let cases = [
        (Put::Say("500 Internal Server Error"), 500),
        (Put::Say("503 Service Unavailable"), 503),
        (Put::Say("504 Gateway Timeout"), 504),
        (Put::Cut, 502),
        (Put::Silence, 504),
    ];
    for (then, status) in cases {
        let stand = up(true, then);
        let manifest = stand.referrer("a");
        let answer = push_as(stand.backref.host(), &sha256(&manifest), &manifest);
        assert_eq!(answer.status, status, "{then:?}: {answer:?}");
        assert_eq!(answer.headers.get("OCI-Subject"), None, "{then:?}");
        assert_eq!(stand.listed(), [sha256(&manifest)], "{then:?}");
        // The write is settled: no other query asks about it.
        let before = asked(&stand, &manifest);
        assert_eq!(stand.listed(), [sha256(&manifest)], "{then:?}");
        assert_eq!(asked(&stand, &manifest), before, "{then:?}");
    }
}

#[test]
fn push_of_unknown_outcome_is_not_listed_where_the_registry_lacks_it() {
    for then in [Put::Say("500 Internal Server Error"), Put::Say("504 Gateway Timeout"), Put::Cut, Put::Silence] {
        let stand = up(false, then);
        let manifest = stand.referrer("a");
        assert!(push_as(stand.backref.host(), &sha256(&manifest), &manifest).status >= 500, "{then:?}");
        assert_eq!(stand.listed(), [""; 0], "{then:?}");
        // The client tries again, as clients do.
        assert_eq!(push(stand.backref.host(), &manifest), sha256(&manifest));
        assert_eq!(stand.listed(), [sha256(&manifest)], "{then:?}");
    }
}

#[test]
fn push_of_unknown_outcome_that_lands_late_is_listed_from_then_on() {
    let stand = up(false, Put::Say("504 Gateway Timeout"));
    let manifest = stand.referrer("late");
    assert_eq!(push_as(stand.backref.host(), "v1", &manifest).status, 504);
    assert_eq!(stand.listed(), [""; 0]);
    assert_eq!(asked(&stand, &manifest), 1);
    stand.holdings.hold(REPOSITORY, INDEX, &manifest);
    // Not every query asks again.
    until("the manifest to be found", || (stand.listed() == [sha256(&manifest)]).then_some(()));
}

#[test]
fn push_of_unknown_outcome_that_can_no_longer_land_is_asked_for_no_more() {
    let first = Gate::default();
    let stand = Stand::with(
        move |holdings, visit| {
            if visit.is("PUT") && !first.is_open() {
                first.open();
                put(holdings, visit, false, Put::Cut);
            } else {
                holdings.serve(visit);
            }
        },
        |backref| backref.config("[upstream]\nanswer_timeout = \"300ms\"\nconnect_timeout = \"100ms\"\n"),
    );
    let pushed = Instant::now();
    let manifest = stand.referrer("a");
    assert_eq!(push_as(stand.backref.host(), "v1", &manifest).status, 502);
    // Twice as long as any request of this configuration is waited for.
    until("the push to be over", || (pushed.elapsed() > Duration::from_secs(1)).then_some(()));
    assert_eq!(stand.listed(), [""; 0]);
    assert_eq!(asked(&stand, &manifest), 1, "the write was unresolved until then");
    let settled = Instant::now();
    until("another query to ask again, if the write were unresolved", || {
        (settled.elapsed() > Duration::from_millis(2500)).then_some(())
    });
    assert_eq!(stand.listed(), [""; 0]);
    assert_eq!(asked(&stand, &manifest), 1);
}

#[test]
fn push_of_unknown_outcome_is_not_listed_where_the_registry_has_other_bytes() {
    let stand = Stand::up(|holdings, visit| {
        if visit.is("PUT") {
            put(holdings, visit, false, Put::Say("500 Internal Server Error"));
        } else {
            let other = crate::manifests::referrer(&sha256(&plain("subject")), "other");
            visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], other);
        }
    });
    let manifest = stand.referrer("a");
    assert_eq!(push_as(stand.backref.host(), "v1", &manifest).status, 500);
    assert_eq!(stand.listed(), [""; 0]);
    assert!(asked(&stand, &manifest) > 0, "the upstream gave its bytes");
}

#[test]
fn delete_of_unknown_outcome_lists_exactly_what_the_registry_still_has() {
    for (acts, left) in [(true, false), (false, true)] {
        let stand = Stand::with(
            move |holdings, visit| {
                if visit.is("DELETE") {
                    put(holdings, visit, acts, Put::Cut);
                } else {
                    holdings.serve(visit);
                }
            },
            |backref| backref.config("[upstream]\nanswer_timeout = \"200ms\"\nconnect_timeout = \"100ms\"\n"),
        );
        let digest = push(stand.backref.host(), &stand.referrer("a"));
        let deleted = Instant::now();
        assert_eq!(delete(stand.backref.host(), &digest).status, 502);
        until("the delete to be over", || (deleted.elapsed() > Duration::from_secs(1)).then_some(()));
        assert_eq!(stand.holdings.holds(&path(&digest)), left);
        assert_eq!(stand.listed().is_empty(), !left);
    }
}

#[test]
fn delete_refused_by_the_registry_changes_nothing() {
    for status in ["405 Method Not Allowed", "403 Forbidden", "401 Unauthorized"] {
        let stand = Stand::up(move |holdings, visit| {
            if visit.is("DELETE") {
                visit.answer(status, &[], "{\"errors\":[{\"code\":\"UNSUPPORTED\"}]}");
            } else {
                holdings.serve(visit);
            }
        });
        let digest = push(stand.backref.host(), &stand.referrer("a"));
        let answer = delete(stand.backref.host(), &digest);
        assert!(status.starts_with(&answer.status.to_string()), "{answer:?}");
        assert_eq!(answer.text(), "{\"errors\":[{\"code\":\"UNSUPPORTED\"}]}");
        assert_eq!(stand.listed(), [digest]);
    }
}
