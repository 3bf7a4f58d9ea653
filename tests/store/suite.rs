//! The cases. None knows which store it runs on.

use std::sync::Arc;

use backref::{
    oci::{Digest, Repository, Via},
    referrers::{Cursor, ManifestKey, Order, Page, Query, Relation},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Holds, Known, Seen, Store, TagEnd, Verdict},
};

/// A deadline that no test reaches.
pub(crate) const FAR: i64 = i64::MAX / 2;

pub(crate) fn key(name: &str) -> ManifestKey {
    ManifestKey {
        upstream: "up".into(),
        repository: Repository::parse("app").expect("a name"),
        digest: Digest::parse(&format!("test:{name}")).expect("a digest"),
    }
}

pub(crate) fn subject() -> ManifestKey {
    key("subject")
}

pub(crate) fn attempt(name: &str, deadline: i64) -> Attempt {
    let id = AttemptId(name.bytes().fold(7, |id, byte| id * 31 + i64::from(byte)));
    Attempt { id, kind: AttemptKind::Push, key: key(name), subject: Some(subject().digest), tag: None, deadline }
}

pub(crate) fn relation(referrer: ManifestKey, artifact_type: &str) -> Relation {
    Relation {
        pushed: None,
        subject: subject().digest,
        via: Via::Subject,
        artifact_type: Some(artifact_type.to_owned()),
        created: None,
        descriptor: format!("{{\"digest\":\"{}\"}}", referrer.digest),
        referrer,
    }
}

fn held(name: &str) -> Verdict {
    Verdict::Held(Arc::new(relation(key(name), "a/b")))
}

/// On what the store knows now.
pub(crate) async fn apply(store: &dyn Store, key: &ManifestKey, verdict: Verdict) {
    let seen = store.look(key).await.expect("readable");
    let basis = Basis { version: seen.version, alone: false };
    assert_eq!(store.apply(key, verdict, basis, Close::Nothing).await.expect("writable"), Applied::Done);
}

/// A push of `name`, until it is recorded.
pub(crate) async fn hold(store: &dyn Store, name: &str) {
    apply(store, &key(name), held(name)).await;
}

pub(crate) fn query(subject: &ManifestKey) -> Query {
    Query {
        subject: subject.clone(),
        alias: None,
        artifact_types: vec![],
        after: None,
        limit: usize::MAX,
        order: Order::Arrival,
        originals: false,
        without_subject: false,
        opening: "",
        max_bytes: Page::MAX_BYTES,
    }
}

pub(crate) fn digests(page: &Page) -> Vec<Digest> {
    let json: serde_json::Value =
        serde_json::from_slice(&[b"[", &page.body[..], b"]"].concat()).expect("descriptors with commas between");
    let digest =
        |entry: &serde_json::Value| Digest::parse(entry["digest"].as_str().expect("a digest")).expect("a digest");
    json.as_array().expect("a list").iter().map(digest).collect()
}

pub(crate) async fn listed(store: &dyn Store, subject: &ManifestKey) -> Vec<Digest> {
    digests(&store.list(&query(subject)).await.expect("readable"))
}

pub(crate) fn names(names: &[&str]) -> Vec<Digest> {
    names.iter().map(|name| key(name).digest).collect()
}

pub(crate) async fn a_held_relation_is_listed(store: Arc<dyn Store>) {
    assert!(listed(&*store, &subject()).await.is_empty());
    hold(&*store, "a").await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
}

pub(crate) async fn lists_go_by_arrival_and_a_repeated_push_keeps_its_place(store: Arc<dyn Store>) {
    for name in ["c", "a", "b", "c"] {
        hold(&*store, name).await;
    }
    assert_eq!(listed(&*store, &subject()).await, names(&["c", "a", "b"]));
    assert_eq!(store.recorded(&subject(), 2).await.expect("readable"), names(&["b", "a"]));
}

pub(crate) async fn a_deleted_referrer_that_comes_back_goes_last(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("a"), Verdict::Deleted).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b"]));
    assert_eq!(store.recorded(&subject(), 9).await.expect("readable"), names(&["b"]));
    hold(&*store, "a").await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b", "a"]));
}

pub(crate) async fn lists_are_filtered_and_paged(store: Arc<dyn Store>) {
    for (name, artifact_type) in [("a", "x/1"), ("b", "x/2"), ("c", "x/3"), ("d", "x/1")] {
        apply(&*store, &key(name), Verdict::Held(Arc::new(relation(key(name), artifact_type)))).await;
    }
    let mut query = query(&subject());
    query.artifact_types = vec!["x/1".into(), "x/3".into()];
    assert_eq!(digests(&store.list(&query).await.expect("readable")), names(&["a", "c", "d"]));
    query.limit = 2;
    let page = store.list(&query).await.expect("readable");
    assert_eq!(digests(&page), names(&["a", "c"]));
    query.after = page.next;
    let page = store.list(&query).await.expect("readable");
    assert_eq!((digests(&page), page.next), (names(&["d"]), None));

    let mut small = self::query(&subject());
    small.max_bytes = 1;
    let page = store.list(&small).await.expect("readable");
    assert!(page.full && page.next.is_some());
    assert_eq!(digests(&page), names(&["a"]), "one always, so that there is a next page");
}

pub(crate) async fn newest_first_goes_by_creation_and_those_without_come_last(store: Arc<dyn Store>) {
    for (name, created) in [("a", Some(2)), ("b", None), ("c", Some(3)), ("d", None), ("e", Some(-1))] {
        let relation = Relation { created, ..relation(key(name), "a/b") };
        apply(&*store, &key(name), Verdict::Held(Arc::new(relation))).await;
    }
    let mut query = Query { order: Order::Newest, limit: 2, ..query(&subject()) };
    let mut found = Vec::new();
    loop {
        let page = store.list(&query).await.expect("readable");
        found.extend(digests(&page));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(found, names(&["c", "a", "e", "d", "b"]));
}

pub(crate) async fn a_cursor_stays_right_while_rows_come_and_go(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        hold(&*store, name).await;
    }
    let mut query = query(&subject());
    query.limit = 2;
    let page = store.list(&query).await.expect("readable");
    let cursor = page.next.expect("more to come");
    assert_eq!(Cursor::parse(&cursor.render()), Some(cursor.clone()));
    apply(&*store, &key("b"), Verdict::Deleted).await;
    hold(&*store, "d").await;
    query.after = Some(cursor);
    assert_eq!(digests(&store.list(&query).await.expect("readable")), names(&["c", "d"]));
}

pub(crate) async fn repositories_and_upstreams_are_apart(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let other_upstream = ManifestKey { upstream: "down".into(), ..subject() };
    let other_repository = ManifestKey { repository: Repository::parse("app2").expect("a name"), ..subject() };
    for other in [other_upstream, other_repository] {
        assert!(listed(&*store, &other).await.is_empty());
        assert!(store.recorded(&other, 9).await.expect("readable").is_empty());
        let referrer = ManifestKey { digest: key("a").digest, ..other.clone() };
        apply(&*store, &referrer, Verdict::Deleted).await;
    }
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
}

pub(crate) async fn a_verdict_on_old_knowledge_is_refused(store: Arc<dyn Store>) {
    let old = store.look(&key("a")).await.expect("readable");
    hold(&*store, "a").await;
    let basis = Basis { version: old.version, alone: false };
    let outcome = store.apply(&key("a"), Verdict::Absent, basis, Close::Nothing).await.expect("writable");
    let Applied::Outdated(Seen { version, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
    let basis = Basis { version, alone: false };
    assert_eq!(store.apply(&key("a"), Verdict::Absent, basis, Close::Nothing).await.expect("writable"), Applied::Done);
    assert!(listed(&*store, &subject()).await.is_empty());
}

pub(crate) async fn a_verdict_beside_an_open_attempt_is_refused(store: Arc<dyn Store>) {
    let (mine, other) = (attempt("a", FAR), Attempt { id: AttemptId(1), ..attempt("a", FAR) });
    let seen = store.begin(&mine).await.expect("writable");
    assert!(!seen.contended, "one's own attempt doesn't count");
    assert!(store.begin(&other).await.expect("writable").contended);
    let alone = Basis { version: seen.version, alone: true };
    let outcome = store.apply(&mine.key, held("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(Seen { contended: true, .. })), "{outcome:?}");
    store.drop_attempt(other.id).await.expect("writable");
    let outcome = store.apply(&mine.key, held("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert_eq!(outcome, Applied::Done);
    assert!(!store.look(&mine.key).await.expect("readable").contended, "it closed its attempt");
}

pub(crate) async fn a_delete_marks_what_a_push_on_its_way_will_find(store: Arc<dyn Store>) {
    let push = attempt("a", FAR);
    let seen = store.begin(&push).await.expect("writable");
    apply(&*store, &push.key, Verdict::Deleted).await;
    let basis = Basis { version: seen.version, alone: false };
    let outcome = store.apply(&push.key, held("a"), basis, Close::One(push.id)).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(_)), "the push has to ask again: {outcome:?}");
    assert!(listed(&*store, &subject()).await.is_empty());
}

pub(crate) async fn a_missing_referrer_is_not_listed_until_seen_again(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("b"), Verdict::Absent).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
    let recorded = store.recorded(&subject(), 9).await.expect("readable");
    assert_eq!(recorded, names(&["a", "b"]), "still asked about, after what is listed");
    apply(&*store, &key("b"), Verdict::Absent).await;
    apply(&*store, &key("b"), Verdict::Seen).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a", "b"]), "a second 404 within a day changed nothing");
    apply(&*store, &key("a"), Verdict::Deleted).await;
    apply(&*store, &key("a"), Verdict::Seen).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b"]), "what was deleted stays so");
}

pub(crate) async fn attempts_are_orphans_once_released_or_late(store: Arc<dyn Store>) {
    let (released, late, live) = (attempt("a", FAR), attempt("b", 1), attempt("c", FAR));
    for attempt in [&released, &late, &live] {
        store.begin(attempt).await.expect("writable");
    }
    store.release(released.id).await.expect("writable");
    let orphans = store.orphans(&subject(), 9).await.expect("readable");
    let mut found: Vec<_> = orphans.iter().map(|orphan| (orphan.digest.clone(), orphan.expired)).collect();
    found.sort();
    assert_eq!(found, [(released.key.digest.clone(), false), (late.key.digest.clone(), true)]);
    let seen = store.look(&late.key).await.expect("readable");
    let basis = Basis { version: seen.version, alone: false };
    store.apply(&late.key, Verdict::Seen, basis, Close::Past(2)).await.expect("writable");
    let left = store.orphans(&subject(), 9).await.expect("readable");
    assert_eq!(left.iter().map(|orphan| &orphan.digest).collect::<Vec<_>>(), [&released.key.digest]);
}

pub(crate) async fn refers_counts_only_when_asked_for(store: Arc<dyn Store>) {
    let relation = Relation { via: Via::Refers, ..relation(key("a"), "a/b") };
    apply(&*store, &key("a"), Verdict::Held(Arc::new(relation))).await;
    assert!(listed(&*store, &subject()).await.is_empty());
    let query = Query { without_subject: true, ..query(&subject()) };
    assert_eq!(digests(&store.list(&query).await.expect("readable")), names(&["a"]));
}

pub(crate) async fn what_is_on_record_is_read_in_pieces(store: Arc<dyn Store>) {
    assert!(store.repositories("up").await.expect("readable").is_empty());
    for name in ["a", "b", "c", "d"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("c"), Verdict::Absent).await;
    apply(&*store, &key("d"), Verdict::Deleted).await;
    store.begin(&attempt("e", FAR)).await.expect("writable");
    let app = Repository::parse("app").expect("a name");
    let known = async |what, after: Option<&str>, limit| {
        let after = after.map(|name| key(name).digest);
        let found = store.known("up", &app, what, after.as_ref(), limit).await.expect("readable");
        found.iter().map(|digest| digest.as_str()["test:".len()..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(known(Known::Listed, None, 9).await, ["a", "b"]);
    assert_eq!(known(Known::Listed, None, 1).await, ["a"]);
    assert_eq!(known(Known::Listed, Some("a"), 9).await, ["b"]);
    assert_eq!(known(Known::Missing, None, 9).await, ["c"]);
    for what in [Known::Subjects, Known::Owed, Known::Open, Known::Quiet { since: FAR }] {
        assert_eq!(known(what, None, 9).await, ["subject"], "{what:?}");
        assert_eq!(known(what, Some("subject"), 9).await, [""; 0], "{what:?}");
    }
    assert_eq!(known(Known::Quiet { since: 1 }, None, 9).await, [""; 0]);
    assert_eq!(store.repositories("up").await.expect("readable"), [app]);
    assert!(store.repositories("elsewhere").await.expect("readable").is_empty());
}

pub(crate) async fn a_tag_that_is_forgotten_stays_as_owed_as_it_is(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let tag = Some(key("index").digest);
    store.begin_tag(&subject(), FAR, false).await.expect("writable").expect("nobody else");
    let holds = Some(Holds { version: 1, tag, marked: true });
    store.end_tag(&subject(), TagEnd { holds, unsettled_until: None, over: true }).await.expect("writable");
    let before = store.tag(&subject()).await.expect("readable").expect("a tag");
    assert!(before.tag.is_some() && !before.is_owed());
    // Somebody else begins to write it without a referrer.
    store.begin_tag(&subject(), FAR, true).await.expect("writable").expect("nobody else");
    store.forget_tag(&subject()).await.expect("writable");
    let after = store.tag(&subject()).await.expect("readable").expect("a tag");
    assert!(after.tag.is_none() && after.is_owed(), "{after:?}");
}
