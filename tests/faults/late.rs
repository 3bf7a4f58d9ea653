//! Requests that were given up or sent twice, and that the upstream carries out after later ones.

use std::time::{Duration, Instant};

use crate::manifests::{delete, digest_tag, path, plain, push, push_as};
use crate::stand::Stand;
use crate::support::{Gate, Holdings, sha256, until};

/// Gates for the first request of a method, which gets no answer: on, carried out, has been carried out.
fn first_is_late(method: &'static str, hangs_up: bool) -> (Stand, Gate, Gate, Gate) {
    let (on, late, landed) = (Gate::default(), Gate::default(), Gate::default());
    let (is_on, gate, done) = (on.clone(), late.clone(), landed.clone());
    let first = std::sync::atomic::AtomicBool::new(true);
    let script = move |holdings: &Holdings, visit: &mut crate::support::Visit| {
        let is_first = visit.is(method) && is_on.is_open() && first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if !is_first {
            return holdings.serve(visit);
        }
        visit.body();
        if hangs_up {
            visit.hang_up();
        }
        gate.pass();
        drop(holdings.apply(visit));
        done.count();
        visit.close();
    };
    let config =
        "workers = 1\n[upstream]\nanswer_timeout = \"1s\"\nconnect_timeout = \"100ms\"\n[permit]\nttl = \"0\"\n";
    (Stand::with(script, |backref| backref.without_tags().config(config)), on, late, landed)
}

#[test]
fn late_delete_after_a_query_saw_the_manifest_unlists_it() {
    let (stand, on, late, landed) = first_is_late("DELETE", false);
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    on.open();
    assert_eq!(delete(stand.backref.host(), &digest).status, 504);
    assert_eq!(stand.listed(), [digest.as_str()], "it is there");
    late.open();
    landed.wait_for(1);
    assert!(!stand.holdings.holds(&path(&digest)));
    until("what is gone to be listed no more", || stand.listed().is_empty().then_some(()));
}

#[test]
fn late_first_copy_of_a_repeated_push_is_listed_though_a_delete_came_between() {
    let (stand, on, late, landed) = first_is_late("PUT", true);
    push(stand.backref.host(), &stand.referrer("other"));
    // A push over a connection that was unused for a moment is sent again when that connection breaks.
    let started = Instant::now();
    until("the connection to be unused for a while", || (started.elapsed() > Duration::from_millis(50)).then_some(()));
    on.open();
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert_eq!(stand.listed(), [sha256(&stand.referrer("other"))]);
    late.open();
    landed.wait_for(1);
    assert!(stand.holdings.holds(&path(&digest)));
    until("what is there again to be listed", || stand.listed().contains(&digest).then_some(()));
}

#[test]
fn late_first_copy_of_a_repeated_delete_unlists_though_a_push_came_between() {
    let (stand, on, late, landed) = first_is_late("DELETE", true);
    let digest = push(stand.backref.host(), &stand.referrer("a"));
    let started = Instant::now();
    until("the connection to be unused for a while", || (started.elapsed() > Duration::from_millis(50)).then_some(()));
    on.open();
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert_eq!(push(stand.backref.host(), &stand.referrer("a")), digest);
    assert_eq!(stand.listed(), [digest.as_str()]);
    late.open();
    landed.wait_for(1);
    assert!(!stand.holdings.holds(&path(&digest)));
    until("what is gone again to be listed no more", || stand.listed().is_empty().then_some(()));
}

/// A tag that says whom a manifest refers to, which is pushed twice without anybody's doing.
#[test]
fn late_first_copy_of_a_repeated_push_by_a_digest_tag_leaves_it_open() {
    let (stand, on, late, landed) = first_is_late("PUT", true);
    push(stand.backref.host(), &stand.referrer("other"));
    let started = Instant::now();
    until("the connection to be unused for a while", || (started.elapsed() > Duration::from_millis(50)).then_some(()));
    on.open();
    let manifest = plain("by a tag");
    let answer = push_as(stand.backref.host(), &digest_tag(&stand.subject, &manifest), &manifest);
    assert_eq!(answer.status, 201);
    let open = || crate::tagged::metric(&stand.backref, "backref_unresolved_writes");
    assert_eq!(open(), 1, "the first copy may still move the tag");
    late.open();
    landed.wait_for(1);
}
