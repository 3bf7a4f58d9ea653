//! Verdicts on manifests, and what they leave.

use std::{sync::Arc, time::Duration};

use backref::{
    oci::Repository,
    referrers::ManifestKey,
    store::{Applied, Attempt, AttemptId, Basis, Close, Finding, Recorded, Seen, Store, Verdict},
};

use crate::world::{LONG, apply, attempt, candidates, held, hold, key, listed, names, repository, subject};

pub(crate) async fn store_a_held_relation_is_listed(store: Arc<dyn Store>) {
    assert!(listed(&*store, &subject()).await.is_empty());
    hold(&*store, "a").await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
}

pub(crate) async fn store_a_repeated_push_keeps_its_place(store: Arc<dyn Store>) {
    for name in ["c", "a", "b", "c"] {
        hold(&*store, name).await;
    }
    assert_eq!(listed(&*store, &subject()).await, names(&["c", "a", "b"]));
    assert_eq!(candidates(&*store, &subject(), 2).await, names(&["b", "a"]));
}

pub(crate) async fn store_a_deleted_referrer_that_comes_back_goes_last(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("a"), Verdict::Deleted).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b"]));
    assert_eq!(candidates(&*store, &subject(), 9).await, names(&["b"]));
    hold(&*store, "a").await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b", "a"]));
}

pub(crate) async fn store_repositories_and_upstreams_are_apart(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let other_upstream = ManifestKey { upstream: "down".into(), ..subject() };
    let other_repository = ManifestKey { repository: Repository::parse("app2").expect("a name"), ..subject() };
    for other in [other_upstream, other_repository] {
        assert!(listed(&*store, &other).await.is_empty());
        assert!(candidates(&*store, &other, 9).await.is_empty());
        let referrer = ManifestKey { digest: key("a").digest, ..other.clone() };
        apply(&*store, &referrer, Verdict::Deleted).await;
    }
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
}

pub(crate) async fn store_a_verdict_on_old_knowledge_is_refused(store: Arc<dyn Store>) {
    let old = store.look(&key("a")).await.expect("readable");
    hold(&*store, "a").await;
    let basis = Basis { version: old.version, alone: false };
    let outcome = store.apply(&key("a"), Verdict::Absent, basis, Close::Nothing).await.expect("writable");
    let Applied::Outdated(Seen { version, at, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(at > old.at, "it says when it was read");
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
    let basis = Basis { version, alone: false };
    assert_eq!(store.apply(&key("a"), Verdict::Absent, basis, Close::Nothing).await.expect("writable"), Applied::Done);
    assert!(listed(&*store, &subject()).await.is_empty());
}

pub(crate) async fn store_a_verdict_beside_an_open_attempt_is_refused(store: Arc<dyn Store>) {
    let (mine, other) = (attempt("a", LONG), Attempt { id: AttemptId(1), ..attempt("a", LONG) });
    let seen = store.begin(&mine).await.expect("writable");
    assert!(!seen.contended, "one's own attempt doesn't count");
    assert!(store.begin(&other).await.expect("writable").contended);
    let alone = Basis { version: seen.version, alone: true };
    let outcome = store.apply(&mine.key, held("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(Seen { contended: true, .. })), "{outcome:?}");
    store.drop_attempt(&other.key, other.id).await.expect("writable");
    let outcome = store.apply(&mine.key, held("a"), alone, Close::One(mine.id)).await.expect("writable");
    assert_eq!(outcome, Applied::Done);
    assert!(!store.look(&mine.key).await.expect("readable").contended, "it closed its attempt");
}

pub(crate) async fn store_a_delete_marks_what_a_push_on_its_way_will_find(store: Arc<dyn Store>) {
    let push = attempt("a", LONG);
    let seen = store.begin(&push).await.expect("writable");
    apply(&*store, &push.key, Verdict::Deleted).await;
    let basis = Basis { version: seen.version, alone: false };
    let outcome = store.apply(&push.key, held("a"), basis, Close::One(push.id)).await.expect("writable");
    assert!(matches!(outcome, Applied::Outdated(_)), "the push has to ask again: {outcome:?}");
    assert!(listed(&*store, &subject()).await.is_empty());
}

pub(crate) async fn store_a_missing_referrer_is_not_listed_until_seen_again(store: Arc<dyn Store>) {
    for name in ["a", "b"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("b"), Verdict::Absent).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a"]));
    let asked = candidates(&*store, &subject(), 9).await;
    assert_eq!(asked, names(&["a", "b"]), "still asked about, after what is listed");
    apply(&*store, &key("b"), Verdict::Absent).await;
    apply(&*store, &key("b"), Verdict::Seen).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["a", "b"]), "a second 404 within a day changed nothing");
    apply(&*store, &key("a"), Verdict::Deleted).await;
    apply(&*store, &key("a"), Verdict::Seen).await;
    assert_eq!(listed(&*store, &subject()).await, names(&["b"]), "what was deleted stays so");
}

pub(crate) async fn store_many_findings_are_applied_each_on_its_own_knowledge(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    let finding =
        |name: &str, version| Finding { key: key(name), verdict: held(name), basis: Basis { version, alone: false } };
    let outcomes = store.apply_all(vec![finding("b", 0), finding("a", 0), finding("c", 0)]).await.expect("writable");
    let [Applied::Done, Applied::Outdated(_), Applied::Done] = outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(listed(&*store, &subject()).await, names(&["a", "b", "c"]));
}

pub(crate) async fn store_what_is_recorded_is_read_in_pieces(store: Arc<dyn Store>) {
    assert!(store.repositories("up").await.expect("readable").is_empty());
    for name in ["a", "b", "c", "d"] {
        hold(&*store, name).await;
    }
    apply(&*store, &key("c"), Verdict::Absent).await;
    apply(&*store, &key("d"), Verdict::Deleted).await;
    store.begin(&attempt("e", LONG)).await.expect("writable");
    let app = repository();
    let recorded = async |which, after: Option<&str>, limit| {
        let after = after.map(|name| key(name).digest);
        let found = store.recorded("up", &app, which, after.as_ref(), limit).await.expect("readable");
        found.iter().map(|digest| digest.as_str()["test:".len()..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(recorded(Recorded::Listed, None, 9).await, ["a", "b"]);
    assert_eq!(recorded(Recorded::Listed, None, 1).await, ["a"]);
    assert_eq!(recorded(Recorded::Listed, Some("a"), 9).await, ["b"]);
    assert_eq!(recorded(Recorded::Missing, None, 9).await, ["c"]);
    let quiet = Recorded::Quiet(Duration::ZERO);
    for which in [Recorded::Subjects, Recorded::Stale, Recorded::Unresolved, quiet] {
        assert_eq!(recorded(which, None, 9).await, ["subject"], "{which:?}");
        assert_eq!(recorded(which, Some("subject"), 9).await, [""; 0], "{which:?}");
    }
    assert_eq!(recorded(Recorded::Quiet(LONG), None, 9).await, [""; 0]);
    assert_eq!(store.repositories("up").await.expect("readable"), [app]);
    assert!(store.repositories("elsewhere").await.expect("readable").is_empty());
}
