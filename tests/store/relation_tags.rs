//! Referrers that are known by tags.

use std::{sync::Arc, time::Duration};

use backref::{
    oci::Via,
    referrers::{Query, Relation, RelationTag},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Store, TagVerdict, Verdict},
};

use crate::world::{LONG, apply, attempt, hold, key, names, page, query, relation, subject};

fn tag(name: &str) -> RelationTag {
    RelationTag { tag: name.into(), subject: subject().digest }
}

fn on(name: &str) -> TagVerdict {
    TagVerdict::On(Arc::new(Relation { via: Via::Tag, ..relation(key(name), "a/b") }))
}

/// On what the store knows now.
async fn apply_tag(store: &dyn Store, name: &str, of: &str, verdict: TagVerdict) {
    let seen = store.look_at_tag(&key(name), of).await.expect("readable").seen;
    let basis = Basis { version: seen.version, alone: false };
    let outcome = store.apply_tag(&key(name), &tag(of), verdict, basis, Close::Nothing).await.expect("writable");
    assert_eq!(outcome, Applied::Done);
}

async fn listed(store: &dyn Store) -> Vec<backref::oci::Digest> {
    let query = Query { without_subject: true, ..query(&subject()) };
    page(store, &query).await.digests
}

pub(crate) async fn store_who_a_relation_tag_is_on_is_listed_and_who_it_left_is_not(store: Arc<dyn Store>) {
    apply_tag(&*store, "a", "t", on("a")).await;
    assert_eq!(listed(&*store).await, names(&["a"]));
    let by_subject = page(&*store, &query(&subject())).await;
    assert!(by_subject.digests.is_empty(), "its bytes name no subject");
    apply_tag(&*store, "b", "t", on("b")).await;
    assert_eq!(listed(&*store).await, names(&["b"]));
    apply_tag(&*store, "c", "t", TagVerdict::Off).await;
    assert!(listed(&*store).await.is_empty());
    apply_tag(&*store, "a", "t", on("a")).await;
    apply_tag(&*store, "a", "t", on("a")).await;
    assert_eq!(listed(&*store).await, names(&["a"]));
    assert_eq!(store.look_at_tag(&key("a"), "t").await.expect("readable").on, Some(key("a").digest));
}

pub(crate) async fn store_one_of_two_tags_is_enough(store: Arc<dyn Store>) {
    for tag in ["t", "u"] {
        apply_tag(&*store, "a", tag, on("a")).await;
    }
    apply_tag(&*store, "a", "t", TagVerdict::Off).await;
    assert_eq!(listed(&*store).await, names(&["a"]));
    apply_tag(&*store, "a", "u", TagVerdict::Off).await;
    assert!(listed(&*store).await.is_empty());
}

pub(crate) async fn store_a_tag_taken_off_leaves_who_says_it_itself(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    apply_tag(&*store, "b", "t", on("b")).await;
    apply_tag(&*store, "a", "t", TagVerdict::Off).await;
    assert_eq!(listed(&*store).await, names(&["a"]));
    apply_tag(&*store, "a", "t", TagVerdict::Off).await;
    assert_eq!(listed(&*store).await, names(&["a"]));
}

pub(crate) async fn store_a_deleted_manifest_takes_its_tags_along(store: Arc<dyn Store>) {
    apply_tag(&*store, "a", "t", on("a")).await;
    let before = store.look_at_tag(&key("b"), "t").await.expect("readable");
    apply(&*store, &key("a"), Verdict::Deleted).await;
    let after = store.look_at_tag(&key("b"), "t").await.expect("readable");
    assert_eq!(after.on, None);
    assert!(after.seen.version > before.seen.version, "whoever asked about the tag before asks again");
    assert!(listed(&*store).await.is_empty());
}

pub(crate) async fn store_a_verdict_on_an_old_tag_is_refused(store: Arc<dyn Store>) {
    let old = store.look_at_tag(&key("a"), "t").await.expect("readable").seen;
    let basis = Basis { version: old.version, alone: false };
    apply_tag(&*store, "b", "t", on("b")).await;
    let outcome = store.apply_tag(&key("a"), &tag("t"), on("a"), basis, Close::Nothing).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(_)), "the tag was moved: {outcome:?}");
    // The same of the manifest.
    let old = store.look_at_tag(&key("a"), "t").await.expect("readable").seen;
    let basis = Basis { version: old.version, alone: false };
    apply_tag(&*store, "a", "u", on("a")).await;
    apply(&*store, &key("a"), Verdict::Deleted).await;
    let outcome = store.apply_tag(&key("a"), &tag("t"), on("a"), basis, Close::Nothing).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(_)), "the manifest was deleted: {outcome:?}");
    assert_eq!(listed(&*store).await, names(&["b"]));
}

fn tagged(id: i64, name: &str, tag: &str, kind: AttemptKind, lasts: Duration) -> Attempt {
    Attempt { id: AttemptId(id), kind, tag: Some(tag.into()), ..attempt(name, lasts) }
}

pub(crate) async fn store_a_delete_or_a_push_under_the_same_tag_stands_beside(store: Arc<dyn Store>) {
    let begin = async |attempt: &Attempt| store.begin(attempt).await.expect("writable").contended;
    let mine = tagged(1, "a", "t", AttemptKind::Push, LONG);
    assert!(!begin(&mine).await, "one's own attempt doesn't count");
    assert!(!begin(&tagged(2, "a", "u", AttemptKind::Push, LONG)).await, "another tag is another's");
    assert!(begin(&tagged(3, "b", "t", AttemptKind::Push, LONG)).await, "the same tag is not");
    store.drop_attempt(&key("a"), AttemptId(3)).await.expect("writable");
    assert!(!begin(&attempt("a", LONG)).await, "nothing that a tag does changes whether the manifest is there");
    let delete = Attempt { id: AttemptId(4), kind: AttemptKind::Delete, ..attempt("a", LONG) };
    begin(&delete).await;
    let seen = store.look_at_tag(&mine.key, "t").await.expect("readable").seen;
    let alone = Basis { version: seen.version, alone: true };
    let outcome = store.apply_tag(&mine.key, &tag("t"), on("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(_)), "a delete of the manifest takes the tag along: {outcome:?}");
    store.drop_attempt(&delete.key, delete.id).await.expect("writable");
    let outcome = store.apply_tag(&mine.key, &tag("t"), on("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert_eq!(outcome, Applied::Done);
}

pub(crate) async fn store_orphans_on_a_tag_are_told_apart_from_those_on_the_digest(store: Arc<dyn Store>) {
    let begin = async |attempt: &Attempt, released: bool| {
        store.begin(attempt).await.expect("writable");
        if released {
            store.release(&attempt.key, attempt.id).await.expect("writable");
        }
    };
    let orphans = async || {
        let orphans = store.orphans(&[subject()], 9).await.expect("readable");
        let mut found: Vec<_> = orphans.into_iter().map(|orphan| (orphan.digest, orphan.tag, orphan.expired)).collect();
        found.sort();
        found
    };
    begin(&attempt("a", LONG), true).await;
    begin(&tagged(2, "a", "t", AttemptKind::Push, LONG), true).await;
    begin(&tagged(3, "a", "u", AttemptKind::Push, Duration::ZERO), false).await;
    begin(&tagged(4, "b", "t", AttemptKind::Push, LONG), true).await;
    let (a, b, t, u) = (key("a").digest, key("b").digest, Some("t".into()), Some("u".into()));
    let of_digest = (a.clone(), None, false);
    assert_eq!(
        orphans().await,
        [of_digest.clone(), (a.clone(), t.clone(), false), (a.clone(), u, true), (b.clone(), t.clone(), false)]
    );
    let settle = async |name: &str, of: &str, verdict: TagVerdict| {
        let seen = store.look_at_tag(&key(name), of).await.expect("readable").seen;
        let basis = Basis { version: seen.version, alone: false };
        store.apply_tag(&key(name), &tag(of), verdict, basis, Close::Past(seen.at)).await.expect("writable");
    };
    settle("a", "u", TagVerdict::Off).await;
    settle("b", "t", TagVerdict::Off).await;
    let both = [of_digest, (a, t.clone(), false), (b, t, false)];
    assert_eq!(orphans().await, both);
    settle("a", "t", on("a")).await;
    assert_eq!(orphans().await, both, "what may still land is not over with what it has done so far");
}
