//! [`Relations`] on SQLite.

use std::collections::HashSet;

use async_trait::async_trait;

use super::{
    clock::now,
    database::SqliteStore,
    rows::{attempts, forms, list, newest, recorded, seen, subjects, verdicts},
    writer::Durability,
};
use crate::{
    oci::{Digest, Repository},
    referrers::{ManifestKey, Query},
    store::{Applied, Basis, Close, Finding, QueryStart, Recorded, Relations, RowSink, Seen, StoreError, Verdict},
    upstream::ReadPermit,
};

#[async_trait]
impl Relations for SqliteStore {
    async fn look(&self, key: &ManifestKey) -> Result<Seen, StoreError> {
        self.read(|db| seen::look(db, key, None, now()))
    }

    async fn look_at_all(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Vec<Seen>, StoreError> {
        let at = now();
        self.read(|db| digests.iter().map(|digest| seen::look(db, &beside.sibling(digest.clone()), None, at)).collect())
    }

    async fn apply(
        &self,
        key: &ManifestKey,
        verdict: Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError> {
        if verdict.has_two_forms() {
            self.note_alias();
        }
        let key = key.clone();
        self.write(Durability::Disk, move |db, now| verdicts::apply(db, &key, &verdict, basis, close, now)).await
    }

    async fn apply_all(&self, findings: Vec<Finding>) -> Result<Vec<Applied>, StoreError> {
        if findings.iter().any(|one| one.verdict.has_two_forms()) {
            self.note_alias();
        }
        self.write(Durability::Disk, move |db, now| {
            let apply = |one: &Finding| verdicts::apply(db, &one.key, &one.verdict, one.basis, Close::Nothing, now);
            findings.iter().map(apply).collect()
        })
        .await
    }

    async fn begin_query(&self, subject: &ManifestKey) -> Result<QueryStart, StoreError> {
        let alias = self.read_aliases(|db| forms::alias(db, subject))?;
        self.read(|db| {
            // The version first: what is found after it may only be newer.
            let version = subjects::version(db, subject)?;
            let unresolved = match &alias {
                None => attempts::any(db, subject)?,
                Some(alias) => {
                    attempts::any(db, &subject.sibling(alias.original.clone()))?
                        || attempts::any(db, &subject.sibling(alias.carrier.clone()))?
                }
            };
            Ok(QueryStart { alias, unresolved, version })
        })
    }

    async fn list(&self, permit: &ReadPermit, query: &Query, rows: &mut dyn RowSink) -> Result<(), StoreError> {
        self.read(|db| list::list(db, (permit.upstream(), permit.repository()), query, rows))
    }

    async fn candidates(&self, subjects: &[ManifestKey], limit: usize) -> Result<Vec<(Digest, Seen)>, StoreError> {
        let at = now();
        let Some(beside) = subjects.first() else { return Ok(Vec::new()) };
        self.read(|db| {
            let found = newest::candidates(db, subjects, limit)?.into_iter();
            found.map(|digest| Ok((digest.clone(), seen::look(db, &beside.sibling(digest), None, at)?))).collect()
        })
    }

    async fn stated(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| newest::stated(db, subject, limit))
    }

    async fn subjects(&self, referrer: &ManifestKey) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| recorded::subjects(db, referrer))
    }

    async fn listed_among(&self, subjects: &[ManifestKey], digests: &[Digest]) -> Result<HashSet<Digest>, StoreError> {
        self.read(|db| recorded::listed_among(db, subjects, digests))
    }

    async fn repositories(&self, upstream: &str) -> Result<Vec<Repository>, StoreError> {
        self.read(|db| recorded::repositories(db, upstream))
    }

    async fn recorded(
        &self,
        upstream: &str,
        repository: &Repository,
        which: Recorded,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| recorded::recorded(db, (upstream, repository), which, after, limit, now()))
    }
}
