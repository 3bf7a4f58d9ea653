//! What an operator is shown: how much there is, what is behind, and where a manifest is.

use std::{sync::Arc, time::Duration};

use backref::{
    oci::{Repository, Via},
    referrers::{ManifestKey, Relation},
    store::{Attempt, Store, SubjectCursor, Verdict},
};

use crate::world::{LONG, apply, attempt, hold, key, names, relation, repository, subject};

/// A push of `name` to another repository, about a subject of that.
async fn hold_in(store: &dyn Store, repository: &str, name: &str, subject: &str, artifact_type: &str) {
    let repository = Repository::parse(repository).expect("a name");
    let referrer = ManifestKey { repository, ..key(name) };
    let held = Relation { subject: key(subject).digest, ..relation(referrer.clone(), artifact_type) };
    apply(store, &referrer, Verdict::Held(Arc::new(held))).await;
}

pub(crate) async fn store_counts_are_of_each_repository(store: Arc<dyn Store>) {
    assert_eq!(store.count("up", 10, 10).await.expect("readable").all, 0);
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("b"), Verdict::Deleted).await;
    for (name, subject) in [("c", "s1"), ("d", "s1"), ("e", "s2")] {
        hold_in(&*store, "big", name, subject, "a/b").await;
    }
    let counts = store.count("up", 10, 2).await.expect("readable");
    let of = |at: usize| {
        let one = &counts.repositories[at];
        (&*one.repository, one.subjects, one.referrers, one.stale)
    };
    assert_eq!((counts.subjects, counts.referrers), (3, 4));
    assert_eq!((counts.all, of(0), of(1)), (2, ("big", 2, 3, 2), ("app", 1, 1, 1)));
    // The last first, and no more than asked for.
    let newest: Vec<_> = counts.newest.iter().map(|one| (&*one.repository, one.subject.clone())).collect();
    assert_eq!(newest, [("big", key("s2").digest), ("big", key("s1").digest)]);
    assert!(counts.newest[0].at > counts.newest[1].at && counts.repositories[0].last_change == counts.newest[0].at);
    let few = store.count("up", 1, 0).await.expect("readable");
    assert_eq!((few.repositories.len(), few.all, few.subjects, few.referrers), (1, 2, 3, 4));
    assert_eq!(store.count("down", 10, 10).await.expect("readable").all, 0);
    assert!(store.size().await.expect("readable") > 0);
}

pub(crate) async fn store_subjects_come_by_their_last_change_in_pieces(store: Arc<dyn Store>) {
    for (name, subject, kind) in
        [("a", "s1", "a/b"), ("b", "s2", "a/b"), ("c", "s3", "c/d"), ("d", "s3", "a/b"), ("e", "s3", "a/b")]
    {
        hold_in(&*store, "app", name, subject, kind).await;
    }
    apply(&*store, &key("a"), Verdict::Deleted).await;
    let piece = async |after: Option<SubjectCursor>| {
        store.subjects_by_change("up", &repository(), after.as_ref(), 2).await.expect("readable")
    };
    let first = piece(None).await;
    assert_eq!(first.iter().map(|one| one.subject.clone()).collect::<Vec<_>>(), names(&["s1", "s3"]));
    assert!(first[0].types.is_empty() && first[0].is_stale, "the delete was the last change");
    assert_eq!(first[1].types, [(Some("a/b".to_owned()), 2), (Some("c/d".to_owned()), 1)]);
    let last = &first[1];
    let rest = piece(Some(SubjectCursor { last_change: last.last_change, subject: last.subject.clone() })).await;
    assert_eq!(
        rest.iter().map(|one| (one.subject.clone(), one.types.len())).collect::<Vec<_>>(),
        [(key("s2").digest, 1)]
    );
}

pub(crate) async fn store_referrers_are_shown_with_those_that_are_missing(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("b"), Verdict::Absent).await;
    apply(&*store, &key("c"), Verdict::Deleted).await;
    let rows = store.referrers_of(&subject(), 10).await.expect("readable");
    let shown: Vec<_> = rows.iter().map(|row| (row.digest.clone(), row.is_missing, row.via)).collect();
    assert_eq!(shown, [(key("b").digest, true, Via::Subject), (key("a").digest, false, Via::Subject)]);
    assert!(rows[1].descriptor.contains(key("a").digest.as_str()) && rows[1].original.is_none());
    assert_eq!(store.referrers_of(&subject(), 1).await.expect("readable").len(), 1);
}

pub(crate) async fn store_what_is_pending_is_named(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let stale = store.stale_tags("up", 10).await.expect("readable");
    assert_eq!(
        (stale.len(), &*stale[0].repository, &stale[0].subject, stale[0].is_being_written),
        (1, "app", &subject().digest, false)
    );
    assert!(stale[0].tag.is_stale());
    assert!(store.stale_tags("down", 10).await.expect("readable").is_empty());

    store.begin(&attempt("late", Duration::ZERO)).await.expect("writable");
    store.begin(&Attempt { ..attempt("on-its-way", LONG) }).await.expect("writable");
    let unresolved = store.unresolved("up", 10).await.expect("readable");
    let named: Vec<_> = unresolved.iter().map(|one| (one.digest.clone(), one.is_delete, one.is_orphan)).collect();
    assert_eq!(named, [(key("late").digest, false, true), (key("on-its-way").digest, false, false)]);
    assert_eq!(store.unresolved("up", 1).await.expect("readable").len(), 1);
}

pub(crate) async fn store_manifests_are_found_by_the_beginning_of_a_digest(store: Arc<dyn Store>) {
    hold(&*store, "abc").await;
    hold_in(&*store, "big", "abd", "abx", "a/b").await;
    let find = async |prefix: &str, limit| {
        let found = store.find("up", prefix, limit).await.expect("readable");
        found.into_iter().map(|one| format!("{}@{}", one.repository, one.digest)).collect::<Vec<_>>()
    };
    assert_eq!(find("test:ab", 10).await, ["app@test:abc", "big@test:abd", "big@test:abx"]);
    assert_eq!(find("test:abd", 10).await, ["big@test:abd"]);
    assert_eq!(find("test:sub", 10).await, ["app@test:subject"]);
    assert_eq!(find("test:ab", 2).await.len(), 2);
    assert!(find("test:b", 10).await.is_empty());
}
