//! Referrers tags: what is known of each, and which process writes it.

use std::{sync::Arc, time::Duration};

use backref::store::{Store, TagHolds, TagOutcome, TagState, Until};

use crate::world::{LONG, hold, key, names, subject};

async fn tag(store: &dyn Store) -> TagState {
    store.tag(&subject()).await.expect("readable").expect("a tag")
}

fn holds(version: i64, index: &str) -> TagHolds {
    TagHolds { version, index: Some(key(index).digest), marked: true }
}

/// A write of the tag from its begin to its end.
async fn write(store: &dyn Store, holds: TagHolds) {
    store.begin_tag(&subject(), LONG, false).await.expect("writable").expect("nobody else");
    let outcome = TagOutcome { holds: Some(holds), undo: None, unsettled: None, release: true };
    store.end_tag(&subject(), outcome).await.expect("writable");
}

pub(crate) async fn store_a_tag_that_is_forgotten_stays_as_stale_as_it_is(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    assert!(tag(&*store).await.is_stale());
    write(&*store, holds(1, "index")).await;
    let before = tag(&*store).await;
    assert!(before.index.is_some() && before.marked && !before.is_stale() && before.standing().is_none());
    assert!(before.checked_at.is_some_and(|checked| checked < before.at));
    assert_eq!(store.pending("up").await.expect("readable").referrers_tags, 0);
    // Somebody else begins to write it without a referrer.
    store.begin_tag(&subject(), LONG, true).await.expect("writable").expect("nobody else");
    store.forget_tag(&subject()).await.expect("writable");
    let after = tag(&*store).await;
    assert!(after.index.is_none() && after.is_stale(), "{after:?}");
    assert_eq!(store.pending("up").await.expect("readable").referrers_tags, 1);
}

pub(crate) async fn store_a_tag_is_unsettled_for_as_long_as_is_said(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let before = store.begin_tag(&subject(), LONG, false).await.expect("writable").expect("nobody else");
    assert_eq!((before.version, before.standing()), (1, None));
    let during = tag(&*store).await;
    assert_eq!(during.unsettled_until, Some(before.at.after(LONG)));
    assert_eq!(during.standing(), during.unsettled_until);
    let end = async |unsettled| {
        let outcome = TagOutcome { holds: None, undo: None, unsettled, release: false };
        store.end_tag(&subject(), outcome).await.expect("writable");
        tag(&*store).await
    };
    let at = end(Some(Until::At(before.at.after(2 * LONG)))).await;
    assert_eq!(at.unsettled_until, Some(before.at.after(2 * LONG)));
    let within = end(Some(Until::In(LONG))).await;
    let until = within.unsettled_until.expect("unsettled");
    assert!(before.at.after(LONG) < until && until < within.at.after(LONG), "{within:?}");
    let over = end(Some(Until::In(Duration::ZERO))).await;
    assert!(over.unsettled_until.is_some() && over.standing().is_none());
    assert_eq!(end(None).await.unsettled_until, None);
}

pub(crate) async fn store_what_a_tag_is_seen_to_hold_counts_if_it_did_not_change_since(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    write(&*store, holds(0, "first")).await;
    let known = tag(&*store).await;
    let see = async |holds, known: &TagState| store.see_tag(&subject(), holds, known).await.expect("writable");
    // What changes the set says nothing about the tag.
    hold(&*store, "b").await;
    assert!(see(holds(1, "seen"), &known).await);
    let seen = tag(&*store).await;
    assert_eq!((seen.version, seen.tag_version, &seen.index), (2, 1, &Some(key("seen").digest)));
    assert!(seen.checked_at > known.checked_at);

    assert!(!see(holds(2, "first"), &known).await, "it is known by now to hold something else");
    let others = [
        TagState { tag_version: 0, ..seen.clone() },
        TagState { index: None, ..seen.clone() },
        TagState { marked: false, ..seen.clone() },
        TagState { unsettled_until: Some(seen.at), ..seen.clone() },
    ];
    for other in &others {
        assert!(!see(holds(2, "first"), other).await, "{other:?}");
    }
    store.begin_tag(&subject(), LONG, false).await.expect("writable").expect("nobody else");
    assert!(!see(holds(2, "first"), &seen).await, "something was sent since");
    assert_eq!(tag(&*store).await.index, seen.index);
    assert!(see(holds(2, "first"), &tag(&*store).await).await);
    let none = store.see_tag(&key("nobody"), holds(1, "first"), &seen).await.expect("writable");
    assert!(!none && store.tag(&key("nobody")).await.expect("readable").is_none());
}

pub(crate) async fn store_a_tag_that_differs_is_marked_stale(store: Arc<dyn Store>) {
    store.mark_stale(&subject()).await.expect("writable");
    assert!(store.tag(&subject()).await.expect("readable").is_none(), "nothing refers to it");
    hold(&*store, "a").await;
    write(&*store, holds(1, "index")).await;
    store.mark_stale(&subject()).await.expect("writable");
    let marked = tag(&*store).await;
    assert!(marked.is_stale() && marked.index.is_none(), "{marked:?}");
    store.mark_stale(&subject()).await.expect("writable");
    assert_eq!(tag(&*store).await.tag_version, marked.tag_version);

    // Of a subject that never had a referrer there is nothing to write.
    store.begin_tag(&key("empty"), LONG, false).await.expect("writable").expect("nobody else");
    store.mark_stale(&key("empty")).await.expect("writable");
    let empty = store.tag(&key("empty")).await.expect("readable").expect("a lease");
    assert!(!empty.is_stale());
}

pub(crate) async fn store_tags_of_many_subjects_come_in_their_order(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let digests = names(&["none", "subject", "neither", "subject"]);
    let tags = store.tags(&key("a"), &digests).await.expect("readable");
    let known: Vec<_> = tags.iter().map(|tag| tag.as_ref().map(|tag| tag.version)).collect();
    assert_eq!(known, [None, Some(1), None, Some(1)]);
    write(&*store, holds(1, "index")).await;
    assert_eq!(store.subject_of_index(&key("index")).await.expect("readable"), Some(subject().digest));
    assert_eq!(store.subject_of_index(&key("a")).await.expect("readable"), None);
}

pub(crate) async fn store_a_tag_that_was_only_asked_for_leaves_nothing(store: Arc<dyn Store>) {
    store.begin_tag(&subject(), LONG, true).await.expect("writable").expect("nobody else");
    assert!(store.tag(&subject()).await.expect("readable").is_some());
    let outcome = TagOutcome { holds: None, undo: None, unsettled: None, release: true };
    store.end_tag(&subject(), outcome).await.expect("writable");
    assert!(store.tag(&subject()).await.expect("readable").is_none());
}

/// With two processes on one store.
pub(crate) async fn store_one_process_writes_a_tag_at_a_time(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    hold(&*one, "a").await;
    let begin = async |store: &dyn Store, lease| store.begin_tag(&subject(), lease, false).await.expect("writable");
    let outcome = |index: &str| TagOutcome { holds: Some(holds(1, index)), undo: None, unsettled: None, release: true };
    assert!(begin(&*one, LONG).await.is_some());
    assert!(begin(&*other, LONG).await.is_none());
    assert!(begin(&*one, Duration::ZERO).await.is_some(), "its own lease begins anew");
    let known = tag(&*other).await;
    assert_eq!(known.unsettled_until, tag(&*one).await.unsettled_until, "what was sent first may still be carried out");

    // Over in time, it is anybody's; who had it changes nothing any more, even when the other has given it back.
    let taken = begin(&*other, LONG).await.expect("the other's lease is over");
    assert_eq!(taken.index, None);
    assert!(!one.see_tag(&subject(), holds(1, "one"), &tag(&*one).await).await.expect("writable"));
    one.end_tag(&subject(), outcome("one")).await.expect("writable");
    assert_eq!(tag(&*one).await.index, None);
    other.end_tag(&subject(), outcome("other")).await.expect("writable");
    one.end_tag(&subject(), outcome("one")).await.expect("writable");
    assert_eq!(tag(&*one).await.index, Some(key("other").digest));
    assert!(begin(&*one, LONG).await.is_some());
}
