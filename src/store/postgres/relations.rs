//! [`Relations`] on PostgreSQL.

use std::{collections::HashSet, ops::ControlFlow, pin::pin};

use async_trait::async_trait;
use tokio_postgres::Row as PgRow;

use super::{
    batch::{Batch, Value, values},
    database::PostgresStore,
    errors::Fault,
    rounds::retried,
    rows::{
        attempts::micros,
        columns::{digest, get, key, limit, only},
        forms, list, newest, recorded, seen, verdicts,
    },
};
use crate::{
    oci::{Digest, Repository},
    referrers::{Cursor, ManifestKey, Query},
    store::{Applied, Basis, Close, Finding, QueryStart, Recorded, Relations, Row, RowSink, Seen, StoreError, Verdict},
    upstream::ReadPermit,
};

/// How many rows of a list are asked for at once: few first, since most lists are short.
const FIRST: usize = 128;
const NEXT: usize = 1024;

#[async_trait]
impl Relations for PostgresStore {
    async fn look(&self, key: &ManifestKey) -> Result<Seen, StoreError> {
        let rows = self.read(seen::LOOK, seen::look(key, None)).await?;
        seen::seen(only(&rows)?)
    }

    async fn look_at_all(&self, beside: &ManifestKey, digests: &[Digest]) -> Result<Vec<Seen>, StoreError> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let [upstream, repository, _] = key(beside);
        let rows =
            self.read(seen::LOOK_AT_ALL, values![upstream, repository, digests.iter().collect::<Value<'_>>()]).await?;
        rows.iter().map(seen::seen).collect()
    }

    async fn apply(
        &self,
        key: &ManifestKey,
        verdict: Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError> {
        self.note_forms(&verdict);
        let verdict = &verdict;
        retried!(self.apply_once(key, verdict, basis, close))
    }

    async fn apply_all(&self, findings: Vec<Finding>) -> Result<Vec<Applied>, StoreError> {
        let mut applied = Vec::with_capacity(findings.len());
        let mut rest = &findings[..];
        while let Some(first) = rest.first() {
            let (some, others) = rest.split_at(how_many_together(rest));
            for one in some {
                self.note_forms(&one.verdict);
            }
            applied.extend(retried!(self.apply_together(first, some))?);
            rest = others;
        }
        Ok(applied)
    }

    async fn begin_query(&self, subject: &ManifestKey) -> Result<QueryStart, StoreError> {
        let [upstream, repository, digest] = key(subject);
        let rows = self.read(forms::BEGIN_QUERY, values![upstream, repository, digest]).await?;
        let row = only(&rows)?;
        let alias = get::<Option<&str>>(row, 0)?.map(|_| forms::alias(row)).transpose()?;
        Ok(QueryStart { alias, version: get(row, 5)?, unresolved: get(row, 6)? })
    }

    async fn list(&self, permit: &ReadPermit, query: &Query, rows: &mut dyn RowSink) -> Result<(), StoreError> {
        let of = (permit.upstream(), permit.repository());
        self.read_list(of, query, |row| {
            Ok(rows.row(Row {
                created: get(row, 0)?,
                arrival: get(row, 1)?,
                digest: get(row, 2)?,
                descriptor: get(row, 3)?,
            }))
        })
        .await
    }

    async fn candidates(&self, subjects: &[ManifestKey], most: usize) -> Result<Vec<(Digest, Seen)>, StoreError> {
        let Some(beside) = subjects.first() else { return Ok(Vec::new()) };
        let [upstream, repository, _] = key(beside);
        let forms: Value<'_> = subjects.iter().map(|subject| &subject.digest).collect();
        let rows = self.read(newest::CANDIDATES, values![upstream, repository, forms, limit(most)]).await?;
        let mut found: Vec<(Digest, Seen)> = Vec::new();
        for row in &rows {
            let digest = digest(row, 3)?;
            if found.len() < most && found.iter().all(|(other, _)| *other != digest) {
                found.push((digest, seen::seen(row)?));
            }
        }
        Ok(found)
    }

    async fn stated(&self, subject: &ManifestKey, most: usize) -> Result<Vec<Digest>, StoreError> {
        let [upstream, repository, of] = key(subject);
        digests(&self.read(newest::STATED, values![upstream, repository, of, limit(most)]).await?)
    }

    async fn subjects(&self, referrer: &ManifestKey) -> Result<Vec<Digest>, StoreError> {
        let [upstream, repository, of] = key(referrer);
        digests(&self.read(recorded::SUBJECTS, values![upstream, repository, of]).await?)
    }

    async fn listed_among(&self, subjects: &[ManifestKey], among: &[Digest]) -> Result<HashSet<Digest>, StoreError> {
        let Some(beside) = subjects.first().filter(|_| !among.is_empty()) else { return Ok(HashSet::new()) };
        let [upstream, repository, _] = key(beside);
        let forms: Value<'_> = subjects.iter().map(|subject| &subject.digest).collect();
        let rows = self
            .read(recorded::LISTED_AMONG, values![upstream, repository, forms, among.iter().collect::<Value<'_>>()])
            .await?;
        rows.iter().map(|row| digest(row, 0)).collect()
    }

    async fn repositories(&self, upstream: &str) -> Result<Vec<Repository>, StoreError> {
        let rows = self.read(recorded::REPOSITORIES, values![upstream]).await?;
        // What was not written by backref is no name.
        rows.iter().filter_map(|row| get(row, 0).map(Repository::parse).transpose()).collect()
    }

    async fn recorded(
        &self,
        upstream: &str,
        repository: &Repository,
        which: Recorded,
        after: Option<&Digest>,
        most: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        let after = after.map_or("", Digest::as_str);
        let mut values = values![upstream, repository.as_str(), after, limit(most)];
        if let Recorded::Quiet(time) = which {
            values.push(micros(time).into());
        }
        digests(&self.read(recorded::sql(which), values).await?)
    }
}

impl PostgresStore {
    fn note_forms(&self, verdict: &Verdict) {
        if verdict.has_two_forms() {
            self.aliased.note();
        }
    }

    async fn apply_once(
        &self,
        of: &ManifestKey,
        verdict: &Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, Fault> {
        let mut first = Batch::default();
        verdicts::look(&mut first, of, verdict, close);
        let (change, found) = self.begin_change(&of.upstream, &of.repository, &first).await?;
        let (seen, rows) = verdicts::looked(&mut found.into_iter(), verdict)?;
        if basis.is_outdated(seen) {
            change.commit(&Batch::default()).await?;
            return Ok(Applied::Outdated(seen));
        }
        let mut last = Batch::default();
        match verdict {
            Verdict::Held(relation) => verdicts::hold_or_renew(&change, &mut last, relation, close).await?,
            _ => verdicts::write(&mut last, of, verdict, &rows, change.now),
        }
        verdicts::close(&mut last, of, close);
        change.commit(&last).await?;
        Ok(Applied::Done)
    }

    /// Findings of one repository, each of another digest.
    async fn apply_together(&self, first: &Finding, some: &[Finding]) -> Result<Vec<Applied>, Fault> {
        let mut looks = Batch::default();
        for one in some {
            verdicts::look(&mut looks, &one.key, &one.verdict, Close::Nothing);
        }
        let (change, found) = self.begin_change(&first.key.upstream, &first.key.repository, &looks).await?;
        let mut found = found.into_iter();
        let looked =
            some.iter().map(|one| verdicts::looked(&mut found, &one.verdict)).collect::<Result<Vec<_>, _>>()?;
        let (mut last, mut applied) = (Batch::default(), Vec::with_capacity(some.len()));
        for (one, (seen, rows)) in some.iter().zip(&looked) {
            if one.basis.is_outdated(*seen) {
                applied.push(Applied::Outdated(*seen));
            } else {
                verdicts::write(&mut last, &one.key, &one.verdict, rows, change.now);
                applied.push(Applied::Done);
            }
        }
        change.commit(&last).await?;
        Ok(applied)
    }

    /// Gives the rows of a list to `each` until it has enough, one more than the query's limit at most. They come in pieces,
    /// so that nothing is read for a list that is left early.
    pub(super) async fn read_list(
        &self,
        of: (&str, &Repository),
        query: &Query,
        mut each: impl FnMut(&PgRow) -> Result<ControlFlow<()>, StoreError> + Send,
    ) -> Result<(), StoreError> {
        let session = self.session().await?;
        let mut after = query.after.clone();
        let (mut left, mut piece) = (query.limit.saturating_add(1), FIRST);
        while left > 0 {
            let asked = piece.min(left);
            let values = list::parameters(of, query, after.as_ref(), limit(asked));
            let sql = list::sql(query, after.as_ref());
            let rows = session.stream(&sql, &values).await.map_err(Fault::into_error)?;
            let (mut rows, mut got, mut last) = (pin!(rows), 0, None);
            while let Some(row) = session.next(&mut rows).await.map_err(Fault::into_error)? {
                got += 1;
                if each(&row)?.is_break() {
                    return Ok(());
                }
                last = Some(row);
            }
            if got < asked {
                break;
            }
            let Some(row) = last else { break };
            after = Some(Cursor { created: get(&row, 0)?, arrival: get(&row, 1)?, digest: digest(&row, 2)? });
            left -= got;
            piece = NEXT;
        }
        Ok(())
    }
}

/// How many of the first are of one repository, each of a digest of its own: so none changes what another rests on.
fn how_many_together(findings: &[Finding]) -> usize {
    let mut digests = HashSet::new();
    let Some(first) = findings.first().map(|one| &one.key) else { return 0 };
    let others = findings.iter().position(|Finding { key, .. }| {
        (&key.upstream, &key.repository) != (&first.upstream, &first.repository) || !digests.insert(&key.digest)
    });
    others.unwrap_or(findings.len())
}

fn digests(rows: &[PgRow]) -> Result<Vec<Digest>, StoreError> {
    rows.iter().map(|row| digest(row, 0)).collect()
}
