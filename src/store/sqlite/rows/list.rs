//! A subject's listed referrers, in the order that was asked for. Each order, with and without a type, is the order of an
//! index: nothing is sorted, and what is read is what is given.

use std::{cmp::Reverse, ops::ControlFlow};

use rusqlite::{Connection, Result, Row, params};

use super::{columns::digest, merge::merge, part};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::{ManifestKey, Order, Query},
    store::{Row as Referrer, RowSink},
};

/// Gives rows to `sink` until it has enough, one more than the query's limit at most.
pub(crate) fn list(db: &Connection, of: (&str, &Repository), query: &Query, sink: &mut dyn RowSink) -> Result<()> {
    let mut left = query.limit.saturating_add(1);
    read(db, of, query, |row| {
        left -= 1;
        let given = sink.row(Referrer {
            created: row.get(0)?,
            arrival: row.get(1)?,
            digest: row.get_ref(2)?.as_str()?,
            descriptor: row.get_ref(3)?.as_str()?,
        });
        Ok(if left == 0 { ControlFlow::Break(()) } else { given })
    })
}

/// What a subject's referrers tag should hold; `None` where that is more than `max_bytes`.
pub(crate) fn entries(
    db: &Connection,
    subject: &ManifestKey,
    other_form: Option<&Digest>,
    without_subject: bool,
    max_bytes: usize,
) -> Result<Option<Vec<Listed>>> {
    let query = Query {
        subject: subject.digest.clone(),
        other_form: other_form.cloned(),
        artifact_types: Vec::new(),
        after: None,
        limit: usize::MAX,
        order: Order::Arrival,
        originals: false,
        without_subject,
    };
    let (mut entries, mut left) = (Vec::new(), Some(max_bytes));
    read(db, (&subject.upstream, &subject.repository), &query, |row| {
        let entry = Listed { digest: digest(row, 2)?, descriptor: row.get(3)? };
        left = left.and_then(|left| left.checked_sub(entry.descriptor.len()));
        entries.push(entry);
        Ok(if left.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(left.map(|_| entries))
}

fn read(
    db: &Connection,
    (upstream, repository): (&str, &Repository),
    query: &Query,
    each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let forms: &[_] = match &query.other_form {
        Some(other) => &[(&query.subject, Some(other)), (other, Some(&query.subject))],
        None => &[(&query.subject, None)],
    };
    let types = types(db, (upstream, repository), query)?;
    // Of each form and each type there is a part that comes in order by itself. The parts are read at the same time, so
    // each has a statement of its own: what tells the statements apart, for the cache, is their text.
    let wanted: Vec<_> = forms.iter().flat_map(|form| types.iter().map(move |one| (form, one))).collect();
    let sql = part::sql(query);
    let statements = (0..wanted.len()).map(|number| db.prepare_cached(&format!("{sql} -- {number}")));
    let mut statements = statements.collect::<Result<Vec<_>>>()?;
    let (created, arrival, digest) = part::after(query);
    let mut parts = Vec::with_capacity(wanted.len());
    for (statement, ((subject, other), artifact_type)) in statements.iter_mut().zip(wanted) {
        let (subject, other) = (subject.as_str(), other.map(Digest::as_str));
        let values = params![upstream, repository.as_str(), subject, other, artifact_type, created, arrival, digest];
        parts.push(statement.query(values)?);
    }
    match query.order {
        Order::Arrival => merge(parts, |row| Ok(Reverse((row.get::<_, i64>(1)?, row.get::<_, String>(2)?))), each),
        Order::Newest => {
            merge(parts, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)), each)
        }
    }
}

/// The artifact types to read, each once; `None` is all of them. Of several, those that nothing has are left out: clients
/// write a `+` in two ways, and both are asked for.
fn types<'q>(db: &Connection, of: (&str, &Repository), query: &'q Query) -> Result<Vec<Option<&'q str>>> {
    let mut wanted: Vec<_> = query.artifact_types.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(vec![None]);
    }
    let mut types = Vec::with_capacity(wanted.len());
    if wanted.len() == 1 {
        types.push(Some(wanted[0]));
        return Ok(types);
    }
    let mut any = db.prepare_cached(
        "SELECT 1 FROM referrer INDEXED BY referrer_by_type
         WHERE upstream = ? AND repository = ? AND subject = ? AND state = 'listed' AND artifact_type = ? LIMIT 1",
    )?;
    for one in wanted {
        for form in std::iter::once(&query.subject).chain(&query.other_form) {
            if any.exists([of.0, of.1.as_str(), form.as_str(), one])? {
                types.push(Some(one));
                break;
            }
        }
    }
    Ok(types)
}
