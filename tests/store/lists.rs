//! Lists: order, filters, pages.

use std::sync::Arc;

use backref::{
    oci::{Algorithm, Digest, Via},
    referrers::{Cursor, Order, Query, Relation},
    store::{Store, Verdict},
};

use crate::world::{apply, hold, key, listed, names, page, page_of, query, relation, subject};

async fn hold_created(store: &dyn Store, name: &str, created: Option<i64>, artifact_type: &str) {
    let relation = Relation { created, ..relation(key(name), artifact_type) };
    apply(store, &key(name), Verdict::Held(Arc::new(relation))).await;
}

/// All pages of a query, by its limit.
async fn all_pages(store: &dyn Store, mut query: Query) -> Vec<Digest> {
    let mut found = Vec::new();
    loop {
        let page = page(store, &query).await;
        assert!(page.digests.len() == query.limit || page.next.is_none(), "{page:?}");
        found.extend(page.digests);
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

pub(crate) async fn store_lists_are_filtered_and_paged(store: Arc<dyn Store>) {
    for (name, artifact_type) in [("a", "x/1"), ("b", "x/2"), ("c", "x/3"), ("d", "x/1")] {
        apply(&*store, &key(name), Verdict::Held(Arc::new(relation(key(name), artifact_type)))).await;
    }
    let mut query = query(&subject());
    query.artifact_types = vec!["x/1".into(), "x/3".into()];
    assert_eq!(page(&*store, &query).await.digests, names(&["a", "c", "d"]));
    query.limit = 2;
    let first = page(&*store, &query).await;
    assert_eq!(first.digests, names(&["a", "c"]));
    query.after = first.next;
    let second = page(&*store, &query).await;
    assert_eq!((second.digests, second.next), (names(&["d"]), None));

    let all = self::query(&subject());
    let full = page_of(&*store, &subject(), &all, 1).await;
    assert!(full.next.is_some());
    assert_eq!(full.digests, names(&["a"]));
    assert_eq!(full.rows, 2, "who breaks is given no more");
    let limited = Query { limit: 1, ..all };
    let greedy = page_of(&*store, &subject(), &limited, 9).await;
    assert_eq!(greedy.rows, 2, "one more than the limit, to know that there is more");
}

/// Nothing says how long one may be.
pub(crate) async fn store_a_type_may_be_any_text(store: Arc<dyn Store>) {
    // No two of its pieces are alike, so that it can't be made short.
    let long: String = (0..400).map(|number: i32| sha256(&number.to_string())).collect();
    let types = [long.clone(), format!("{long}+"), "%\u{fffd}'\u{1f40b}".to_owned()];
    for (number, artifact_type) in types.iter().enumerate() {
        let key = key(&number.to_string());
        apply(&*store, &key.clone(), Verdict::Held(Arc::new(relation(key, artifact_type)))).await;
    }
    for (number, artifact_type) in types.iter().enumerate() {
        for order in [Order::Arrival, Order::Newest] {
            let query = Query { artifact_types: vec![artifact_type.clone()], order, ..query(&subject()) };
            assert_eq!(page(&*store, &query).await.digests, names(&[&number.to_string()]), "{number}");
        }
    }
}

fn sha256(text: &str) -> String {
    Digest::of(Algorithm::Sha256, text.as_bytes()).to_string()
}

pub(crate) async fn store_a_type_counts_once_however_often_it_is_asked_for(store: Arc<dyn Store>) {
    for (name, created, artifact_type) in
        [("a", 3, "x/1"), ("b", 9, "x/2"), ("c", 2, "x/3"), ("d", 7, "x/1"), ("e", 8, "x/3"), ("f", 1, "x/1")]
    {
        hold_created(&*store, name, Some(created), artifact_type).await;
    }
    let of = |types: &[&str], order| Query {
        artifact_types: types.iter().map(|&one| one.to_owned()).collect(),
        order,
        limit: 2,
        ..query(&subject())
    };
    for types in [&["x/3", "x/none", "x/1", "x/3"][..], &["x/1", "x/3"]] {
        assert_eq!(all_pages(&*store, of(types, Order::Arrival)).await, names(&["a", "c", "d", "e", "f"]));
        assert_eq!(all_pages(&*store, of(types, Order::Newest)).await, names(&["e", "d", "a", "c", "f"]));
    }
    for order in [Order::Arrival, Order::Newest] {
        assert_eq!(all_pages(&*store, of(&["x/2", "x/2"], order)).await, names(&["b"]));
        assert!(all_pages(&*store, of(&["x/none", "x/no"], order)).await.is_empty());
        assert!(all_pages(&*store, of(&["x/none"], order)).await.is_empty());
    }
}

pub(crate) async fn store_newest_first_goes_by_creation_and_those_without_come_last(store: Arc<dyn Store>) {
    for (name, created) in [("a", Some(2)), ("b", None), ("c", Some(3)), ("d", None), ("e", Some(-1))] {
        hold_created(&*store, name, created, "a/b").await;
    }
    let query = Query { order: Order::Newest, limit: 2, ..query(&subject()) };
    assert_eq!(all_pages(&*store, query.clone()).await, names(&["c", "a", "e", "d", "b"]));
    let typed = Query { artifact_types: vec!["a/b".into()], ..query };
    assert_eq!(all_pages(&*store, typed).await, names(&["c", "a", "e", "d", "b"]));
}

pub(crate) async fn store_a_cursor_stays_right_while_rows_come_and_go(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        hold(&*store, name).await;
    }
    let mut query = query(&subject());
    query.limit = 2;
    let first = page(&*store, &query).await;
    let cursor = first.next.expect("more to come");
    assert_eq!(Cursor::parse(&cursor.render()), Some(cursor.clone()));
    apply(&*store, &key("b"), Verdict::Deleted).await;
    hold(&*store, "d").await;
    query.after = Some(cursor);
    assert_eq!(page(&*store, &query).await.digests, names(&["c", "d"]));
}

pub(crate) async fn store_refers_counts_only_when_asked_for(store: Arc<dyn Store>) {
    let relation = Relation { via: Via::Refers, ..relation(key("a"), "a/b") };
    apply(&*store, &key("a"), Verdict::Held(Arc::new(relation))).await;
    assert!(listed(&*store, &subject()).await.is_empty());
    let query = Query { without_subject: true, ..query(&subject()) };
    assert_eq!(page(&*store, &query).await.digests, names(&["a"]));
}

pub(crate) async fn store_who_refers_to_both_forms_is_listed_once(store: Arc<dyn Store>) {
    let to = |name: &str, form: &str, via| Relation { subject: key(form).digest, via, ..relation(key(name), "a/b") };
    let held = async |name: &str, form: &str, via| {
        apply(&*store, &key(name), Verdict::Held(Arc::new(to(name, form, via)))).await;
    };
    held("a", "original", Via::Subject).await;
    held("b", "carrier", Via::Subject).await;
    held("c", "original", Via::Subject).await;
    // Each of them is tagged as a referrer of the other form too.
    held("c", "carrier", Via::Tag).await;
    held("b", "original", Via::Tag).await;
    held("a", "carrier", Via::Tag).await;
    for (one, other) in [("original", "carrier"), ("carrier", "original")] {
        let other = Some(key(other).digest);
        for (without_subject, artifact_types) in [(true, vec![]), (false, vec!["a/b".to_owned()])] {
            let both =
                Query { other_form: other.clone(), without_subject, artifact_types, limit: 2, ..query(&key(one)) };
            let first = page(&*store, &both).await;
            assert_eq!(first.digests, names(&["a", "b"]));
            let next = Query { after: first.next, order: Order::Arrival, ..both };
            assert_eq!(page(&*store, &next).await.digests, names(&["c"]));
        }
        for artifact_types in [vec![], vec!["a/b".to_owned(), "a/c".to_owned()]] {
            let newest = Query {
                other_form: other.clone(),
                artifact_types,
                without_subject: true,
                order: Order::Newest,
                limit: 2,
                ..query(&key(one))
            };
            let first = page(&*store, &newest).await;
            assert_eq!(first.digests, names(&["c", "b"]));
            let next = Query { after: first.next, ..newest };
            assert_eq!(page(&*store, &next).await.digests, names(&["a"]));
        }
        let entries = store.entries(&key(one), other.as_ref(), true, usize::MAX).await.expect("readable");
        let entries: Vec<_> = entries.expect("few").into_iter().map(|entry| entry.digest).collect();
        assert_eq!(entries, names(&["a", "b", "c"]));
    }
}

pub(crate) async fn store_entries_are_those_of_the_tag_and_no_more_than_fit(store: Arc<dyn Store>) {
    let refers = Relation { via: Via::Refers, ..relation(key("b"), "a/b") };
    hold(&*store, "c").await;
    apply(&*store, &key("b"), Verdict::Held(Arc::new(refers))).await;
    hold(&*store, "a").await;
    let entries = async |without_subject, max_bytes| {
        store.entries(&subject(), None, without_subject, max_bytes).await.expect("readable")
    };
    let stated = entries(false, usize::MAX).await.expect("few");
    assert_eq!(stated.iter().map(|entry| entry.digest.clone()).collect::<Vec<_>>(), names(&["c", "a"]));
    assert_eq!(stated[0].descriptor, relation(key("c"), "a/b").descriptor);
    let bytes = stated.iter().map(|entry| entry.descriptor.len()).sum();
    assert_eq!(entries(false, bytes).await, Some(stated));
    assert_eq!(entries(false, bytes - 1).await, None);
    assert_eq!(entries(true, usize::MAX).await.expect("few").len(), 3);
}
