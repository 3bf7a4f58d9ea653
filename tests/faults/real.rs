//! Real registries that go away, stand still, and come back.

use std::collections::BTreeSet;
use std::thread;

use crate::manifests::{INDEX, listed, path, plain, push, push_as, referrer};
use crate::support::{Backref, Kind, Registry, http, sha256, until};
use crate::wire::error_code;

const SHORT: &str = "[upstream]\nanswer_timeout = \"500ms\"\nconnect_timeout = \"500ms\"\n[permit]\nttl = \"0\"\n";

fn up(kind: Kind) -> (Backref, Registry) {
    let registry = Registry::of(kind).start();
    (Backref::of(&registry.url()).config(SHORT).start(), registry)
}

#[test]
fn push_of_many_referrers_at_once_lists_every_acknowledged_one() {
    for kind in [Kind::Distribution2, Kind::Distribution3] {
        let registry = Registry::of(kind).start();
        let backref = Backref::of(&registry.url()).start();
        let subject = push(backref.host(), &plain("subject"));
        let pushed: BTreeSet<String> = thread::scope(|scope| {
            let pushing: Vec<_> = (0..40)
                .map(|number| {
                    let manifest = referrer(&subject, &number.to_string());
                    let host = backref.host();
                    scope.spawn(move || push(host, &manifest))
                })
                .collect();
            pushing.into_iter().map(|thread| thread.join().expect("an acknowledged push")).collect()
        });
        let listed: Vec<_> = listed(&backref, &subject);
        assert_eq!((listed.len(), listed.into_iter().collect::<BTreeSet<_>>()), (40, pushed), "{kind:?}");
    }
}

#[test]
fn upstream_that_stops_gives_502_until_it_is_back_and_loses_no_referrer() {
    let (backref, mut registry) = up(Kind::Distribution2);
    let subject = push(backref.host(), &plain("subject"));
    let first = push(backref.host(), &referrer(&subject, "first"));
    registry.stop();
    let manifest = referrer(&subject, "refused");
    let refused = push_as(backref.host(), &sha256(&manifest), &manifest);
    assert_eq!((refused.status, error_code(&refused.body).as_str()), (502, "UNAVAILABLE"));
    let list = http::get(&format!("{}/v2/app/referrers/{subject}", backref.url()), &[]);
    assert_eq!((list.status, error_code(&list.body).as_str()), (502, "UNAVAILABLE"));
    // It is ready to say so; what is wrong stands in the text.
    let ready = until("backref to say that the registry is down", || {
        let answer = http::get(&format!("{}/readyz", backref.admin_url()), &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        (!answer.text().contains("upstream: ready")).then(|| answer.text())
    });
    assert!(ready.contains("store: ready") && ready.contains("upstream: "), "{ready}");

    registry.start();
    assert_eq!(listed(&backref, &subject), [first.as_str()]);
    let second = push(backref.host(), &referrer(&subject, "second"));
    assert_eq!(listed(&backref, &subject), [first, second]);
}

#[test]
fn upstream_that_freezes_gives_504_and_a_push_that_lands_later_is_listed() {
    let (backref, registry) = up(Kind::Distribution3);
    let subject = push(backref.host(), &plain("subject"));
    let manifest = referrer(&subject, "stuck");
    let digest = sha256(&manifest);
    registry.pause();
    let stuck = push_as(backref.host(), &digest, &manifest);
    assert_eq!((stuck.status, error_code(&stuck.body).as_str()), (504, "UNAVAILABLE"));
    let list = http::get(&format!("{}/v2/app/referrers/{subject}", backref.url()), &[]);
    assert_eq!((list.status, error_code(&list.body).as_str()), (504, "UNAVAILABLE"));
    registry.resume();
    // It reads what was sent meanwhile, and carries it out, whoever may have gone.
    until("the push to be carried out after all", || {
        let url = format!("{}{}", registry.url(), path(&digest));
        (http::get(&url, &[("Accept", INDEX)]).status == 200).then_some(())
    });
    until("the push to be found", || (listed(&backref, &subject) == [digest.as_str()]).then_some(()));
    // The client tries again, as clients do.
    assert_eq!(push(backref.host(), &manifest), digest);
    assert_eq!(listed(&backref, &subject), [digest]);
}

#[test]
fn delete_directly_in_the_registry_unlists_the_referrer() {
    let (backref, registry) = up(Kind::Distribution2);
    let subject = push(backref.host(), &plain("subject"));
    let [kept, gone] = ["kept", "gone"].map(|name| push(backref.host(), &referrer(&subject, name)));
    let around = |digest: &str| {
        assert_eq!(http::send("DELETE", &format!("{}{}", registry.url(), path(digest)), &[], b"").status, 202);
    };
    around(&gone);
    around(&subject);
    assert_eq!(listed(&backref, &subject), [kept]);
}
