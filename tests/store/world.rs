//! What the cases speak of: one subject, and manifests that refer to it. None of it knows which store it is.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use backref::{
    oci::{Digest, Repository, Via},
    referrers::{Cursor, ManifestKey, Order, Query, Relation},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Row, RowSink, Store, Verdict},
    upstream::ReadPermit,
};

/// A time that no test waits for.
pub(crate) const LONG: Duration = Duration::from_hours(1);

pub(crate) fn repository() -> Repository {
    Repository::parse("app").expect("a name")
}

pub(crate) fn key(name: &str) -> ManifestKey {
    ManifestKey {
        upstream: "up".into(),
        repository: repository(),
        digest: Digest::parse(&format!("test:{name}")).expect("a digest"),
    }
}

pub(crate) fn names(names: &[&str]) -> Vec<Digest> {
    names.iter().map(|name| key(name).digest).collect()
}

pub(crate) fn subject() -> ManifestKey {
    key("subject")
}

pub(crate) fn attempt(name: &str, lasts: Duration) -> Attempt {
    let id = AttemptId(name.bytes().fold(7, |id, byte| id * 31 + i64::from(byte)));
    Attempt { id, kind: AttemptKind::Push, key: key(name), subject: Some(subject().digest), tag: None, lasts }
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

pub(crate) fn held(name: &str) -> Verdict {
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
        subject: subject.digest.clone(),
        other_form: None,
        artifact_types: vec![],
        after: None,
        limit: usize::MAX,
        order: Order::Arrival,
        originals: false,
        without_subject: false,
    }
}

/// A page as dialects make it: it takes so many rows, and the next tells it that there is more.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) digests: Vec<Digest>,
    /// Where the next page starts; `None` at the end.
    pub(crate) next: Option<Cursor>,
    /// How many rows were given, taken or not.
    pub(crate) rows: usize,
    last: Option<Cursor>,
    room: usize,
}

impl RowSink for Page {
    fn row(&mut self, row: Row<'_>) -> ControlFlow<()> {
        self.rows += 1;
        if self.room == 0 {
            self.next = self.last.clone();
            return ControlFlow::Break(());
        }
        self.room -= 1;
        let descriptor: serde_json::Value = serde_json::from_str(row.descriptor).expect("a descriptor");
        assert_eq!(descriptor["digest"], row.digest);
        let digest = Digest::parse(row.digest).expect("a digest");
        self.last = Some(Cursor { created: row.created, arrival: row.arrival, digest: digest.clone() });
        self.digests.push(digest);
        ControlFlow::Continue(())
    }
}

/// A page of at most `room` rows, however many the query would have.
pub(crate) async fn page_of(store: &dyn Store, of: &ManifestKey, query: &Query, room: usize) -> Page {
    let mut page = Page { room, ..Page::default() };
    let permit = ReadPermit::for_tests(&of.upstream, of.repository.clone());
    store.list(&permit, query, &mut page).await.expect("readable");
    page
}

/// A page of the subject's repository.
pub(crate) async fn page(store: &dyn Store, query: &Query) -> Page {
    page_of(store, &subject(), query, query.limit).await
}

pub(crate) async fn listed(store: &dyn Store, subject: &ManifestKey) -> Vec<Digest> {
    page_of(store, subject, &query(subject), usize::MAX).await.digests
}

/// Only the digests of what a subject's callers are found out by.
pub(crate) async fn candidates(store: &dyn Store, subject: &ManifestKey, limit: usize) -> Vec<Digest> {
    let found = store.candidates(std::slice::from_ref(subject), limit).await.expect("readable");
    found.into_iter().map(|(digest, _)| digest).collect()
}
