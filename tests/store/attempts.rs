//! Attempts: who finds them, and what closes them.

use std::{sync::Arc, time::Duration};

use backref::{
    oci::{Digest, Via},
    referrers::{ManifestKey, Relation, RelationTag},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Recorded, Store, TagVerdict, Verdict},
};

use crate::world::{LONG, apply, attempt, hold, key, listed, names, relation, repository, subject};

/// A delete of a manifest whose subjects its caller doesn't know.
fn delete(id: i64, name: &str, lasts: Duration) -> Attempt {
    Attempt { id: AttemptId(id), kind: AttemptKind::Delete, subject: None, ..attempt(name, lasts) }
}

async fn orphans(store: &dyn Store, subjects: &[ManifestKey]) -> Vec<(Digest, Digest, bool)> {
    let orphans = store.orphans(subjects, 9).await.expect("readable");
    let mut found: Vec<_> = orphans.into_iter().map(|orphan| (orphan.subject, orphan.digest, orphan.expired)).collect();
    found.sort();
    found
}

/// A digest tag on `name` that names `subject`.
async fn tag(store: &dyn Store, name: &str, subject: &str) {
    let tag = RelationTag { tag: format!("{subject}-tag").into(), subject: key(subject).digest };
    let relation = Relation { via: Via::Tag, subject: key(subject).digest, ..relation(key(name), "a/b") };
    let seen = store.look_at_tag(&key(name), &tag.tag).await.expect("readable").seen;
    let basis = Basis { version: seen.version, alone: false };
    let on = TagVerdict::On(Arc::new(relation));
    assert_eq!(store.apply_tag(&key(name), &tag, on, basis, Close::Nothing).await.expect("writable"), Applied::Done);
}

pub(crate) async fn store_attempts_are_orphans_once_released_or_late(store: Arc<dyn Store>) {
    let (released, late, live) = (attempt("a", LONG), attempt("b", Duration::ZERO), attempt("c", LONG));
    for attempt in [&released, &late, &live] {
        store.begin(attempt).await.expect("writable");
    }
    store.release(&released.key, released.id).await.expect("writable");
    let of = subject().digest;
    let (first, second) = ((of.clone(), released.key.digest, false), (of, late.key.digest.clone(), true));
    assert_eq!(orphans(&*store, &[subject()]).await, [first.clone(), second]);
    let seen = store.look(&late.key).await.expect("readable");
    let basis = Basis { version: seen.version, alone: false };
    store.apply(&late.key, Verdict::Seen, basis, Close::Past(seen.at)).await.expect("writable");
    assert_eq!(orphans(&*store, &[subject()]).await, [first]);
}

pub(crate) async fn store_a_delete_is_found_by_each_subject_of_its_manifest(store: Arc<dyn Store>) {
    for subject in ["one", "two"] {
        tag(&*store, "a", subject).await;
    }
    let delete = delete(1, "a", LONG);
    store.begin(&delete).await.expect("writable");
    assert_eq!(store.pending("up").await.expect("readable").writes, 1);
    let subjects = [key("one"), key("two")];
    for subject in &subjects {
        assert!(orphans(&*store, std::slice::from_ref(subject)).await.is_empty(), "somebody works on it");
        assert!(store.begin_query(subject).await.expect("readable").unresolved);
    }
    let unresolved = store.recorded("up", &repository(), Recorded::Unresolved, None, 9).await.expect("readable");
    assert_eq!(unresolved, names(&["one", "two"]));
    store.release(&delete.key, delete.id).await.expect("writable");
    for subject in &subjects {
        let found = orphans(&*store, std::slice::from_ref(subject)).await;
        assert_eq!(found, [(subject.digest.clone(), key("a").digest, false)]);
    }
    assert_eq!(orphans(&*store, &subjects).await.len(), 1, "found by both, it is one");

    // Settled through either, it is over for both.
    let seen = store.look(&delete.key).await.expect("readable");
    let basis = Basis { version: seen.version, alone: false };
    store.apply(&delete.key, Verdict::Deleted, basis, Close::One(delete.id)).await.expect("writable");
    for subject in &subjects {
        assert!(orphans(&*store, std::slice::from_ref(subject)).await.is_empty());
        assert!(!store.begin_query(subject).await.expect("readable").unresolved);
        assert!(listed(&*store, subject).await.is_empty());
    }
    assert_eq!(store.pending("up").await.expect("readable").writes, 0);
}

pub(crate) async fn store_a_delete_that_is_over_in_time_is_over_for_each_subject(store: Arc<dyn Store>) {
    for subject in ["one", "two"] {
        tag(&*store, "a", subject).await;
    }
    for id in [1, 2] {
        store.begin(&delete(id, "a", Duration::ZERO)).await.expect("writable");
    }
    store.drop_attempt(&key("a"), AttemptId(1)).await.expect("writable");
    let seen = store.look(&key("a")).await.expect("readable");
    assert!(seen.contended, "the other is open");
    let basis = Basis { version: seen.version, alone: false };
    store.apply(&key("a"), Verdict::Absent, basis, Close::Past(seen.at)).await.expect("writable");
    assert!(orphans(&*store, &[key("one"), key("two")]).await.is_empty());
    assert_eq!(store.pending("up").await.expect("readable").writes, 0);
}

pub(crate) async fn store_a_delete_is_found_by_subjects_that_its_manifest_gets_meanwhile(store: Arc<dyn Store>) {
    // Nobody knows the manifest yet: a push comes while the delete is on its way, tags are found, a list is imported.
    let delete = delete(1, "a", LONG);
    store.begin(&delete).await.expect("writable");
    assert_eq!(store.pending("up").await.expect("readable").writes, 1);
    let push = attempt("a", LONG);
    store.begin(&push).await.expect("writable");
    store.drop_attempt(&push.key, push.id).await.expect("writable");
    tag(&*store, "a", "one").await;
    let imported = Relation { subject: key("two").digest, ..relation(key("a"), "a/b") };
    apply(&*store, &key("a"), Verdict::Held(Arc::new(imported))).await;
    store.release(&delete.key, delete.id).await.expect("writable");
    for subject in [subject(), key("one"), key("two")] {
        let found = orphans(&*store, std::slice::from_ref(&subject)).await;
        assert_eq!(found, [(subject.digest, key("a").digest, false)]);
    }
    assert_eq!(store.pending("up").await.expect("readable").writes, 1, "it is one all the same");
}

pub(crate) async fn store_a_delete_is_found_by_the_subject_of_a_push_on_its_way(store: Arc<dyn Store>) {
    store.begin(&attempt("a", LONG)).await.expect("writable");
    let delete = delete(1, "a", LONG);
    assert!(store.begin(&delete).await.expect("writable").contended);
    store.release(&delete.key, delete.id).await.expect("writable");
    let found = orphans(&*store, &[subject()]).await;
    assert_eq!(found, [(subject().digest, key("a").digest, false)]);
}

pub(crate) async fn store_orphans_come_settled_for_good_first_and_no_more_than_asked_for(store: Arc<dyn Store>) {
    for (name, lasts) in [("a", LONG), ("b", Duration::ZERO), ("c", LONG), ("d", Duration::ZERO)] {
        let attempt = attempt(name, lasts);
        store.begin(&attempt).await.expect("writable");
        store.release(&attempt.key, attempt.id).await.expect("writable");
    }
    for limit in 0..=4 {
        let found = store.orphans(&[subject(), key("other")], limit).await.expect("readable");
        let expired: Vec<_> = found.iter().map(|orphan| orphan.expired).collect();
        assert_eq!(expired, &[true, true, false, false][..limit]);
    }
    assert!(store.orphans(&[], 9).await.expect("readable").is_empty());
}

pub(crate) async fn store_a_query_begins_with_both_forms_attempts(store: Arc<dyn Store>) {
    use backref::referrers::{Alias, Pushed};
    hold(&*store, "unrelated").await;
    let start = store.begin_query(&key("original")).await.expect("readable");
    assert!(start.alias.is_none() && !start.unresolved);
    let alias = Alias {
        original: key("original").digest,
        original_size: 2,
        media_type: "m/t".into(),
        carrier: key("carrier").digest,
        carrier_size: 9,
    };
    let pushed = Pushed { alias: alias.clone(), bytes: "{}".into(), descriptor: "{}".into() };
    store.keep(&key("carrier"), pushed).await.expect("writable");
    let to_carrier = Attempt { subject: Some(key("carrier").digest), ..attempt("a", LONG) };
    store.begin(&to_carrier).await.expect("writable");
    for form in ["original", "carrier"] {
        let start = store.begin_query(&key(form)).await.expect("readable");
        assert_eq!((start.alias.as_ref(), start.unresolved), (Some(&alias), true), "{form}");
    }
    assert!(!store.begin_query(&key("a")).await.expect("readable").unresolved);
}
