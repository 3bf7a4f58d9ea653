//! Questions about many digests at once, and about both forms.

use std::{collections::HashSet, sync::Arc};

use backref::{
    referrers::{Alias, ManifestKey, Pushed, Relation},
    store::{Store, Verdict},
};

use crate::world::{LONG, apply, attempt, hold, key, names, relation, subject};

async fn keep(store: &dyn Store, original: &str, carrier: &str) -> Alias {
    let alias = Alias {
        original: key(original).digest,
        original_size: original.len(),
        media_type: "m/t".into(),
        carrier: key(carrier).digest,
        carrier_size: 9,
    };
    let bytes = original.as_bytes().to_vec().into();
    store.keep(&key(carrier), Pushed { alias: alias.clone(), bytes, descriptor: "{}".into() }).await.expect("writable");
    alias
}

pub(crate) async fn store_many_digests_are_looked_at_in_their_order(store: Arc<dyn Store>) {
    hold(&*store, "a").await;
    hold(&*store, "a").await;
    store.begin(&attempt("b", LONG)).await.expect("writable");
    let digests = names(&["b", "none", "a"]);
    let seen = store.look_at_all(&subject(), &digests).await.expect("readable");
    let seen: Vec<_> = seen.iter().map(|seen| (seen.version, seen.contended)).collect();
    assert_eq!(seen, [(0, true), (0, false), (2, false)]);
}

pub(crate) async fn store_of_many_digests_those_listed_are_told(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        hold(&*store, name).await;
    }
    let elsewhere = Relation { subject: key("other").digest, ..relation(key("d"), "a/b") };
    apply(&*store, &key("d"), Verdict::Held(Arc::new(elsewhere))).await;
    apply(&*store, &key("b"), Verdict::Absent).await;
    apply(&*store, &key("c"), Verdict::Deleted).await;
    let among =
        async |subjects: &[ManifestKey], of: &[&str]| store.listed_among(subjects, &names(of)).await.expect("readable");
    let set = |of: &[&str]| names(of).into_iter().collect::<HashSet<_>>();
    assert_eq!(among(&[subject()], &["c", "none", "b", "a", "d"]).await, set(&["a"]));
    assert_eq!(among(&[subject(), key("other")], &["d", "a"]).await, set(&["a", "d"]));
    assert!(among(&[], &["a"]).await.is_empty() && among(&[subject()], &[]).await.is_empty());

    let mut many: Vec<_> = (0..5000).map(|number| key(&format!("n{number}")).digest).collect();
    many.push(key("a").digest);
    assert_eq!(store.listed_among(&[subject()], &many).await.expect("readable"), set(&["a"]));
    assert_eq!(store.look_at_all(&subject(), &many).await.expect("readable").len(), 5001);
    assert_eq!(store.tags(&subject(), &many).await.expect("readable").len(), 5001);
}

pub(crate) async fn store_both_forms_of_a_manifest_are_found_by_either(store: Arc<dyn Store>) {
    let beside = key("a");
    assert!(!store.has_aliases("up", &beside.repository).await.expect("readable"));
    assert_eq!(store.first_original(&beside, &names(&["o1"])).await.expect("readable"), None);
    let (first, second) = (keep(&*store, "o1", "c1").await, keep(&*store, "o2", "c2").await);
    assert!(store.has_aliases("up", &beside.repository).await.expect("readable"));
    assert!(!store.has_aliases("down", &beside.repository).await.expect("readable"));
    for form in ["o1", "c1"] {
        assert_eq!(store.alias(&key(form)).await.expect("readable"), Some(first.clone()));
    }
    let of = async |among: &[&str]| store.first_original(&beside, &names(among)).await.expect("readable");
    assert_eq!(of(&["none", "c1", "o2", "o1"]).await, Some(second));
    assert_eq!(of(&["none", "c1"]).await, None, "a carrier is no original");
    assert_eq!(store.original(&key("o1")).await.expect("readable").as_deref(), Some(&b"o1"[..]));
    assert_eq!(store.original(&key("c1")).await.expect("readable"), None);
    apply(&*store, &key("c1"), Verdict::Deleted).await;
    assert_eq!(store.alias(&key("o1")).await.expect("readable"), None);
}

pub(crate) async fn store_candidates_come_from_both_forms_the_newest_first(store: Arc<dyn Store>) {
    let hold_under = async |name: &str, subject: &str| {
        let relation = Relation { subject: key(subject).digest, ..relation(key(name), "a/b") };
        apply(&*store, &key(name), Verdict::Held(Arc::new(relation))).await;
    };
    for (name, form) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "two"), ("c", "two"), ("e", "one")] {
        hold_under(name, form).await;
    }
    apply(&*store, &key("e"), Verdict::Absent).await;
    store.begin(&attempt("d", LONG)).await.expect("writable");
    let forms = [key("one"), key("two")];
    let found = store.candidates(&forms, 9).await.expect("readable");
    let of: Vec<_> = found.iter().map(|(digest, _)| digest.clone()).collect();
    assert_eq!(of, names(&["c", "d", "b", "a", "e"]));
    for (digest, seen) in &found {
        let alone = store.look(&forms[0].sibling(digest.clone())).await.expect("readable");
        assert_eq!((seen.version, seen.contended), (alone.version, alone.contended));
    }
    let few = store.candidates(&forms, 3).await.expect("readable");
    assert_eq!(few.into_iter().map(|(digest, _)| digest).collect::<Vec<_>>(), names(&["c", "d", "b"]));
    assert_eq!(store.stated(&forms[0], 9).await.expect("readable"), names(&["c", "a", "e"]));
    assert_eq!(store.subjects(&key("c")).await.expect("readable"), names(&["one", "two"]));
}
