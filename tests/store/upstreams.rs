//! What upstreams can do, for a while.

use std::{sync::Arc, time::Duration};

use backref::{oci::Repository, store::Store};

use crate::world::{LONG, repository};

pub(crate) async fn store_capabilities_are_kept_of_each_repository_for_a_while(store: Arc<dyn Store>) {
    let other = Repository::parse("app2").expect("a name");
    let of = async |upstream: &str, repository: Option<&Repository>| {
        let known = store.capabilities(upstream, repository).await.expect("readable");
        known.into_iter().map(|one| (one.repository.as_str().to_owned(), one.what, one.remaining)).collect::<Vec<_>>()
    };
    let learn = async |repository: &Repository, what: &str, keep| {
        store.learn("up", repository, what, keep).await.expect("writable");
    };
    assert!(of("up", None).await.is_empty());
    learn(&repository(), "refuses:a/b", 2 * LONG).await;
    learn(&repository(), "api", LONG).await;
    learn(&other, "api", LONG).await;
    let known = of("up", None).await;
    let words: Vec<_> = known.iter().map(|(repository, what, _)| (&**repository, &**what)).collect();
    assert_eq!(words, [("app", "api"), ("app", "refuses:a/b"), ("app2", "api")]);
    let remaining = known[1].2;
    assert!(LONG < remaining && remaining < 2 * LONG, "{remaining:?}");
    let of_one = of("up", Some(&other)).await;
    assert_eq!(of_one.len(), 1);
    assert!(of("down", None).await.is_empty());

    // Learned again, it is believed as long as is said now; what is over is passed over.
    learn(&repository(), "refuses:a/b", LONG).await;
    learn(&repository(), "api", Duration::ZERO).await;
    let left = of("up", Some(&repository())).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].1 == "refuses:a/b" && left[0].2 < LONG, "{left:?}");
}
