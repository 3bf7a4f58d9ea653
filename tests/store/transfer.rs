//! One store copied to another, of either kind.

use std::{sync::Arc, time::Duration};

use backref::{
    operator::{Copied, copy_table},
    store::{OpenFor, Store, Table, TagHolds, TagOutcome, TagWrite},
};

use crate::{
    block_on, folder, open, postgres,
    support::Postgres,
    world::{LONG, attempt, hold, key, listed, repository, subject},
};

async fn copy(from: &dyn Store, to: &dyn Store) -> Vec<Copied> {
    let mut copied = Vec::new();
    for table in Table::ALL {
        copied.push(copy_table(from, to, table, || {}).await.expect("copied"));
    }
    copied
}

/// Something of every kind but aliases, which need bytes.
async fn fill(store: &dyn Store) {
    for number in 0..1200 {
        hold(store, &format!("r{number}")).await;
    }
    store.begin_tag(&subject(), LONG, TagWrite::All).await.expect("writable").expect("nobody else");
    let holds = TagHolds { version: 1200, index: None, marked: true };
    let outcome = TagOutcome { holds: Some(holds), undo: None, unsettled: None, release: false };
    store.end_tag(&subject(), outcome).await.expect("writable");
    store.begin(&attempt("open", LONG)).await.expect("writable");
    store.learn("up", &repository(), "what", LONG).await.expect("writable");
}

async fn check(first: Arc<dyn Store>, second: Arc<dyn Store>, third: Arc<dyn Store>) {
    fill(&*first).await;
    // An earlier copy that was interrupted.
    let some = first.rows(Table::Referrer, None, 700).await.expect("readable");
    second.put_rows(Table::Referrer, some).await.expect("writable");
    let copied = copy(&*first, &*second).await;
    assert!(copied.iter().all(|one| one.from == one.to), "{copied:?}");
    let rows: Vec<_> = copied.iter().map(|one| (one.from.rows, one.put)).collect();
    assert_eq!(rows, [(1, 1), (1200, 500), (1, 1), (0, 0), (0, 0), (1, 1)]);

    // And on, to a store of the first kind: it is what it was.
    copy(&*second, &*third).await;
    assert_eq!(listed(&*third, &subject()).await, listed(&*first, &subject()).await);
    let tag = third.tag(&subject()).await.expect("readable").expect("known");
    assert_eq!((tag.version, tag.tag_version, tag.marked), (1200, 1200, true));
    // Whoever was about something in the first store is not in this one.
    let orphans = third.orphans(&[subject()], 9).await.expect("readable");
    assert_eq!(orphans.len(), 1);
    assert!(third.begin_tag(&subject(), Duration::ZERO, TagWrite::All).await.expect("writable").is_some());
    assert_eq!(
        third.look(&key("r7")).await.expect("readable").version,
        first.look(&key("r7")).await.expect("readable").version
    );

    // What somebody wrote meanwhile is found out.
    hold(&*first, "r7").await;
    let copied = copy(&*first, &*third).await;
    assert!(copied.iter().any(|one| one.from != one.to), "{copied:?}");
}

#[test]
fn store_copied_from_a_file_to_postgres_and_back_is_the_same() {
    let folder = folder();
    let file = |name: &str| open(&folder.path().join(name)).expect("a new store");
    let database = || postgres::open(&Postgres::shared().database(), OpenFor::Command).expect("a new store");
    block_on(check(file("a.db"), Arc::new(database()), file("b.db")));
    block_on(check(Arc::new(database()), file("c.db"), Arc::new(database())));
}
