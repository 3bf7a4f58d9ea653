//! Referrers tags: what is known of each, and which process writes it.

use std::{sync::Arc, time::Duration};

use backref::store::{
    Applied, Attempt, AttemptKind, Basis, Close, Store, TagHolds, TagIndex, TagLook, TagOutcome, TagState, TagWrite,
    Until, Verdict,
};

use crate::world::{LONG, apply, attempt, held, hold, key, names, subject};

async fn tag(store: &dyn Store) -> TagState {
    store.tag(&subject()).await.expect("readable").expect("a tag")
}

fn holds(version: i64, index: &str) -> TagHolds {
    TagHolds { version, index: Some(index_of(index, version)), marked: true }
}

fn index_of(name: &str, since: i64) -> TagIndex {
    TagIndex { digest: key(name).digest, since }
}

fn look(all_of: Option<i64>, index: &str) -> TagLook {
    TagLook { all_of, index: Some(index_of(index, 1)), marked: true }
}

/// A write of the tag from its begin to its end.
async fn write(store: &dyn Store, holds: TagHolds) {
    store.begin_tag(&subject(), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
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
    store.begin_tag(&subject(), LONG, TagWrite::AllButOne).await.expect("writable").expect("nobody else");
    store.forget_tag(&subject()).await.expect("writable");
    let after = tag(&*store).await;
    assert!(after.index.is_none() && after.is_stale(), "{after:?}");
    assert_eq!(store.pending("up").await.expect("readable").referrers_tags, 1);
}

pub(crate) async fn store_a_tag_is_unsettled_for_as_long_as_is_said(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let before = store.begin_tag(&subject(), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
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

pub(crate) async fn store_what_a_tag_is_seen_to_hold_counts_if_it_was_not_written_since(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    write(&*store, holds(0, "first")).await;
    let known = tag(&*store).await;
    let see = async |look, writes| store.see_tag(&subject(), look, writes).await.expect("writable");
    assert!(see(look(Some(1), "seen"), known.writes).await);
    let seen = tag(&*store).await;
    assert_eq!((seen.version, seen.tag_version, &seen.index), (1, 1, &Some(key("seen").digest)));
    assert!(seen.checked_at > known.checked_at);

    // What changes the set makes the tag stale, whatever was seen before.
    hold(&*store, "b").await;
    assert!(see(look(Some(1), "seen"), seen.writes).await);
    assert_eq!(tag(&*store).await.tag_version, 1);
    assert!(see(look(Some(2), "seen"), seen.writes).await);
    assert!(!tag(&*store).await.is_stale());
    assert!(see(look(None, "seen"), seen.writes).await);
    assert!(tag(&*store).await.is_stale(), "it was seen to lack something");

    store.begin_tag(&subject(), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
    assert!(!see(look(Some(2), "first"), seen.writes).await, "something was sent since");
    let begun = tag(&*store).await;
    assert_eq!((begun.writes, &begun.index), (seen.writes + 1, &seen.index));
    assert!(see(look(Some(2), "first"), begun.writes).await, "by the one who writes it");
    let outcome = TagOutcome { holds: None, undo: None, unsettled: None, release: true };
    store.end_tag(&subject(), outcome).await.expect("writable");
    assert!(!see(look(Some(2), "seen"), begun.writes).await, "what was sent was carried out since");
    let ended = tag(&*store).await;
    store.mark_stale(&subject()).await.expect("writable");
    assert!(!see(look(Some(2), "seen"), ended.writes).await, "it was seen to differ since");
    let none = store.see_tag(&key("nobody"), look(Some(1), "first"), 0).await.expect("writable");
    assert!(!none && store.tag(&key("nobody")).await.expect("readable").is_none());
}

pub(crate) async fn store_an_index_is_known_as_long_as_its_entries_are_listed(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    let known = async |holds| {
        write(&*store, holds).await;
        tag(&*store).await.index.is_some()
    };
    assert!(known(holds(2, "both")).await);
    hold(&*store, "c").await;
    assert!(known(holds(2, "both")).await, "one more changes nothing about them");
    apply(&*store, &key("a"), Verdict::Deleted).await;
    assert!(tag(&*store).await.index.is_none(), "a delete forgets it");
    assert!(!known(holds(2, "both")).await, "it was written, or seen, before the delete");
    assert!(!known(holds(3, "all")).await);
    assert!(known(holds(4, "others")).await);
    let writes = tag(&*store).await.writes;
    let stale = TagLook { all_of: None, index: Some(index_of("all", 3)), marked: true };
    assert!(store.see_tag(&subject(), stale, writes).await.expect("writable"));
    assert!(tag(&*store).await.index.is_none(), "it was looked up before the delete");
}

pub(crate) async fn store_a_write_that_was_refused_undoes_nothing_that_was_seen_since(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let outcome = TagOutcome {
        holds: Some(TagHolds { version: 1, index: None, marked: true }),
        undo: None,
        unsettled: None,
        release: true,
    };
    store.begin_tag(&subject(), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
    store.end_tag(&subject(), outcome).await.expect("writable");
    let refused = async |meddles: bool| {
        let before =
            store.begin_tag(&subject(), LONG, TagWrite::Clients).await.expect("writable").expect("nobody else");
        if meddles {
            store.mark_stale(&subject()).await.expect("writable");
        }
        let outcome = TagOutcome { holds: None, undo: Some(before), unsettled: None, release: true };
        store.end_tag(&subject(), outcome).await.expect("writable");
        tag(&*store).await.is_stale()
    };
    assert!(!refused(false).await);
    assert!(refused(true).await, "it was marked as stale while the write was on its way");
}

pub(crate) async fn store_a_clients_list_makes_open_deletes_ask_again(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    let before = tag(&*store).await;
    let seen = async |name| store.look(&key(name)).await.expect("readable");
    let delete = Attempt { kind: AttemptKind::Delete, ..attempt("a", LONG) };
    let deletes = store.begin(&delete).await.expect("writable");
    let other = seen("b").await;
    store.begin_tag(&subject(), LONG, TagWrite::AllButOne).await.expect("writable").expect("nobody else");
    assert_eq!(seen("a").await.version, deletes.version);
    store.begin_tag(&subject(), LONG, TagWrite::Clients).await.expect("writable").expect("nobody else");
    assert!(seen("a").await.version > deletes.version);
    assert_eq!((seen("b").await.version, tag(&*store).await.version), (other.version, before.version));
    // Later changes go on from there.
    let doubted = seen("a").await;
    for verdict in [Verdict::Absent, Verdict::Seen, Verdict::Deleted] {
        let was = seen("a").await;
        apply(&*store, &key("a"), verdict).await;
        assert!(seen("a").await.version > was.version.max(doubted.version));
    }
}

pub(crate) async fn store_what_is_listed_already_makes_no_tag_stale_when_it_is_settled(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    write(&*store, holds(1, "index")).await;
    let before = store.look(&key("a")).await.expect("readable");
    let settles = Close::Past(before.at);
    let basis = Basis { version: before.version, alone: false };
    assert_eq!(store.apply(&key("a"), held("a"), basis, settles).await.expect("writable"), Applied::Done);
    let (after, state) = (store.look(&key("a")).await.expect("readable"), tag(&*store).await);
    assert!(after.version > before.version && !state.is_stale() && state.version == 1, "{after:?} {state:?}");
    // Listed by it, it is new.
    apply(&*store, &key("a"), Verdict::Deleted).await;
    let basis = Basis { version: store.look(&key("a")).await.expect("readable").version, alone: false };
    assert_eq!(store.apply(&key("a"), held("a"), basis, settles).await.expect("writable"), Applied::Done);
    assert_eq!(tag(&*store).await.version, 3);
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
    store.begin_tag(&key("empty"), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
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
    store.begin_tag(&subject(), LONG, TagWrite::AllButOne).await.expect("writable").expect("nobody else");
    assert!(store.tag(&subject()).await.expect("readable").is_some());
    let outcome = TagOutcome { holds: None, undo: None, unsettled: None, release: true };
    store.end_tag(&subject(), outcome).await.expect("writable");
    assert!(store.tag(&subject()).await.expect("readable").is_none());
}

/// With two processes on one store.
pub(crate) async fn store_one_process_writes_a_tag_at_a_time(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    hold(&*one, "a").await;
    let begin =
        async |store: &dyn Store, lease| store.begin_tag(&subject(), lease, TagWrite::All).await.expect("writable");
    let outcome = |index: &str| TagOutcome { holds: Some(holds(1, index)), undo: None, unsettled: None, release: true };
    assert!(begin(&*one, LONG).await.is_some());
    assert!(begin(&*other, LONG).await.is_none());
    assert!(begin(&*one, Duration::ZERO).await.is_some(), "its own lease begins anew");
    let known = tag(&*other).await;
    assert_eq!(known.unsettled_until, tag(&*one).await.unsettled_until, "what was sent first may still be carried out");

    // Over in time, it is anybody's; who had it changes nothing any more, even when the other has given it back.
    let taken = begin(&*other, LONG).await.expect("the other's lease is over");
    assert_eq!(taken.index, None);
    assert!(!one.see_tag(&subject(), look(Some(1), "one"), tag(&*one).await.writes).await.expect("writable"));
    one.end_tag(&subject(), outcome("one")).await.expect("writable");
    assert_eq!(tag(&*one).await.index, None);
    other.end_tag(&subject(), outcome("other")).await.expect("writable");
    one.end_tag(&subject(), outcome("one")).await.expect("writable");
    assert_eq!(tag(&*one).await.index, Some(key("other").digest));
    assert!(begin(&*one, LONG).await.is_some());
}
